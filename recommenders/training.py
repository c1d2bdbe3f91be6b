"""From a key and data to an immutable version on disk."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from recommenders.artefacts import MANIFEST, Manifest, read_manifest, save
from recommenders.base import config_from
from recommenders.contracts import BUDGET, Budget, Interactions, Progress, silent
from recommenders.registry import strategy_class


def train(
    key: str,
    data: Interactions,
    root: Path,
    *,
    config: Mapping[str, object] | None = None,
    seed: int = 0,
    budget: Budget = BUDGET,
    progress: Progress = silent,
    code_version: str = "",
) -> tuple[str, Manifest]:
    """Train a strategy and store it as ``root/key/version``; the version is a hash of what was learnt and from what.

    The same data, configuration, seed and code give the version that exists already. A training that is interrupted
    leaves nothing that could be taken for a version.

    Returns:
        the version and its manifest.

    Raises:
        UnknownStrategy, MissingExtra: there is no such strategy, or it cannot run here.
        InvalidConfig: a field of the configuration does not exist or breaks a rule.
        Unfit: the data lacks something, or the budget is too small.
    """
    kind = strategy_class(key)
    strategy = kind(config_from(kind.Config, config or {}))
    report = strategy.fit(data, seed=seed, budget=budget, progress=progress)
    (root / key).mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=root / key))
    try:
        manifest = save(strategy, draft, data=data, seed=seed, report=report, code_version=code_version)
        version = name_of(manifest)
        folder = root / key / version
        if (folder / MANIFEST).is_file():
            return version, read_manifest(folder)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return version, manifest


def name_of(manifest: Manifest) -> str:
    """Twelve hexadecimal digits of what a version is: class, configuration, seed, data, code and arrays."""
    what = {
        "place": manifest.place,
        "config": manifest.config,
        "seed": manifest.seed,
        "data": manifest.data,
        "code": manifest.code_version,
        "files": manifest.files,
    }
    return sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]
