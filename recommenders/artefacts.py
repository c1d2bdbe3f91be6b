"""A trained strategy on disk: arrays without pickle, and a manifest that says what they are and what they hash to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from recommenders.base import Strategy, config_from, config_to
from recommenders.contracts import FitReport, Interactions, Items
from recommenders.errors import BrokenArtefact
from recommenders.registry import places, strategy_class

FORMAT = 1
STATE, ITEMS, MANIFEST = "state.npz", "items.npz", "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a folder holds, enough to check it and to train it again."""

    format: int
    key: str
    place: str  # module:class
    config: Mapping[str, object]
    seed: int
    data: str  # fingerprint of the interactions and items
    code_version: str
    files: Mapping[str, str]  # name → SHA-256
    report: Mapping[str, object]


def save(
    strategy: Strategy[object],
    folder: Path,
    *,
    data: Interactions,
    seed: int,
    report: FitReport,
    code_version: str,
) -> Manifest:
    """Write a trained strategy into an empty or new folder. The manifest comes last: a folder without one is none."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / STATE, allow_pickle=False, **strategy.state())
    np.savez(folder / ITEMS, allow_pickle=False, **items_to(data.catalogue))
    manifest = Manifest(
        format=FORMAT,
        key=strategy.key,
        place=places()[strategy.key],
        config=config_to(strategy.config),
        seed=seed,
        data=fingerprint(data),
        code_version=code_version,
        files={name: digest(folder / name) for name in (STATE, ITEMS)},
        report=asdict(report),
    )
    draft = folder / f"{MANIFEST}.draft"
    draft.write_text(json.dumps(asdict(manifest), indent=2), encoding="utf-8")
    draft.replace(folder / MANIFEST)
    return manifest


def load(folder: Path) -> tuple[Strategy[object], Items, Manifest]:
    """The strategy of a folder, if every file is as it was written and the class is one that is registered.

    Raises:
        BrokenArtefact: a file is missing or was changed, or the class is not the registered one.
    """
    manifest = read_manifest(folder)
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise BrokenArtefact(f"{path} is missing")
        if digest(path) != expected:
            raise BrokenArtefact(f"{path} is not the file that was written: its SHA-256 is not {expected}")
    if places().get(manifest.key) != manifest.place:
        raise BrokenArtefact(f"{manifest.place} is not what {manifest.key!r} is registered as")
    found = strategy_class(manifest.key)
    items = items_from(_arrays(folder / ITEMS))
    config = config_from(found.Config, manifest.config)
    return found.restore(config, _arrays(folder / STATE), items), items, manifest


def read_manifest(folder: Path) -> Manifest:
    """What the folder says it holds. Raises BrokenArtefact."""
    try:
        plain = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        manifest = Manifest(**plain)
    except (OSError, ValueError, TypeError) as error:
        raise BrokenArtefact(f"{folder / MANIFEST} cannot be read: {error}") from None
    if manifest.format != FORMAT or not {STATE, ITEMS} <= set(manifest.files):
        raise BrokenArtefact(f"{folder / MANIFEST} is of format {manifest.format}, must be {FORMAT} and name its files")
    return manifest


def fingerprint(data: Interactions) -> str:
    """SHA-256 over everything that training reads."""
    total = sha256()
    events = {"users": data.users, "items": data.items, "times": data.times, "kinds": data.kinds, "values": data.values}
    for name, column in sorted({**events, **items_to(data.catalogue)}.items()):
        total.update(name.encode() + np.ascontiguousarray(column).tobytes())
    return total.hexdigest()


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        total = sha256()
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def items_to(items: Items) -> dict[str, npt.NDArray[np.generic]]:
    """Items as arrays of fixed width."""
    arrays: dict[str, npt.NDArray[np.generic]] = {"ids": np.array(items.ids, dtype=np.str_)}
    if items.texts is not None:
        arrays["texts"] = np.array(items.texts, dtype=np.str_)
    if items.categories is not None:
        arrays |= {"categories": items.categories, "category_names": np.array(items.category_names, dtype=np.str_)}
    if items.prices is not None:
        arrays["prices"] = items.prices
    if items.tags is not None:
        arrays["tags"] = np.array([json.dumps(tags) for tags in items.tags], dtype=np.str_)
    if items.images is not None:
        arrays["images"] = items.images
    return arrays


def items_from(arrays: Mapping[str, npt.NDArray[np.generic]]) -> Items:
    """The items of these arrays."""

    def texts(name: str) -> tuple[str, ...]:
        return tuple(map(str, arrays[name].tolist()))

    return Items(
        ids=texts("ids"),
        texts=texts("texts") if "texts" in arrays else None,
        categories=cast(npt.NDArray[np.int32], arrays["categories"]) if "categories" in arrays else None,
        category_names=texts("category_names") if "category_names" in arrays else (),
        prices=cast(npt.NDArray[np.float32], arrays["prices"]) if "prices" in arrays else None,
        tags=tuple(tuple(json.loads(text)) for text in texts("tags")) if "tags" in arrays else None,
        images=cast(npt.NDArray[np.float32], arrays["images"]) if "images" in arrays else None,
    )


def _arrays(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError) as error:
        raise BrokenArtefact(f"{path} cannot be read: {error}") from None
