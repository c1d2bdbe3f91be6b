"""From a key and data to an immutable version on disk."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

from recommenders.artefacts import MANIFEST, Manifest, fingerprint, load, read_manifest, save
from recommenders.base import Strategy, config_from, config_to
from recommenders.checkpoints import Checkpoint, sweep
from recommenders.contracts import BUDGET, Budget, Interactions, Items, Progress, silent
from recommenders.errors import BrokenArtefact
from recommenders.registry import places, strategy_class

Notes = Mapping[str, str | int | float]


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
    checkpoint: Checkpoint | None = None,
    notes: Notes | None = None,
) -> tuple[str, Manifest]:
    """Train a strategy and store it as ``root/key/version``; the version is a hash of what was learnt and from what.

    The same data, configuration, seed and code give the version that exists already. A training that is interrupted
    leaves nothing that could be taken for a version.

    Args:
        key: of the strategy.
        data: what to learn from.
        root: the folder of all versions.
        config: fields of the strategy's configuration; those not named have their defaults.
        seed: of everything that is drawn.
        budget: what training may use.
        progress: told what is being done.
        code_version: of this package.
        checkpoint: where a long training leaves its place, see :func:`checkpoint_for`; it is not removed.
        notes: figures about the data, kept in the manifest with those of the training.

    Returns:
        the version and its manifest.

    Raises:
        UnknownStrategy, MissingExtra: there is no such strategy, or it cannot run here.
        InvalidConfig: a field of the configuration does not exist or breaks a rule.
        Unfit: the data lacks something, or the budget is too small.
    """
    strategy = new_strategy(key, config)
    strategy.checkpoint = checkpoint
    report = strategy.fit(data, seed=seed, budget=budget, progress=progress)
    report = replace(report, notes={**(notes or {}), **report.notes})
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


def new_strategy(key: str, config: Mapping[str, object] | None = None) -> Strategy[object]:
    """A strategy that is not trained yet. Raises UnknownStrategy, MissingExtra, InvalidConfig."""
    kind = strategy_class(key)
    return kind(config_from(kind.Config, config or {}))


def checkpoint_for(
    root: Path,
    key: str,
    data: Interactions,
    *,
    config: Mapping[str, object] | None = None,
    seed: int = 0,
    budget: Budget = BUDGET,
    code_version: str = "",
) -> Checkpoint:
    """The checkpoint below this folder of exactly this training: a different one never finds the place of another."""
    sweep(root)
    what = {
        "place": places()[key],
        "config": config_to(new_strategy(key, config).config),
        "seed": seed,
        "budget": asdict(budget),
        "data": fingerprint(data),
        "code": code_version,
    }
    return Checkpoint(root / f"{key}-{_digest(what)[:12]}")


def load_version(root: Path, key: str, version: str) -> tuple[Strategy[object], Items, Manifest]:
    """A stored version by its name. A whole folder in the place of another one is noticed too.

    Raises:
        BrokenArtefact: it is not there, or not as it was written.
    """
    folder = root / key / version
    found = load(folder)
    if (found[2].key, name_of(found[2])) != (key, version):
        raise BrokenArtefact(f"{folder} holds {found[2].key}@{name_of(found[2])}")
    return found


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
    return _digest(what)[:12]


def _digest(what: Mapping[str, object]) -> str:
    return sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
