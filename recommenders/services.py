"""Registering strategies, choosing which of their versions serves, and keeping what was found of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from django.conf import settings
from django.db import transaction

from recommenders.artefacts import Manifest
from recommenders.errors import BrokenArtefact, UnknownStrategy
from recommenders.models import Family, OfflineEvaluation, Strategy, StrategyVersion
from recommenders.offline.report import OfflineReport, to_json
from recommenders.registry import strategy_class
from recommenders.training import load_version


def artefact_root() -> Path:
    """The folder with all trained versions: ``key/version``."""
    return Path(settings.HOME) / "artefacts"


def register_version(
    *, key: str, version: str, name: str, family: Family, description: str = "", origin: str = ""
) -> StrategyVersion:
    """The version of this strategy, registered if it is new. What exists already is left as it is."""
    with transaction.atomic():
        strategy = _strategy(key=key, name=name, family=family, description=description)
        return StrategyVersion.objects.get_or_create(strategy=strategy, version=version, defaults={"origin": origin})[0]


def register_trained(version: str, manifest: Manifest, *, created_by: str = "", current: bool = False) -> bool:
    """Register a version whose artefact is ours. It becomes the current one if asked, or if there is none yet.

    Returns:
        whether it is the current one now.
    """
    kind = strategy_class(manifest.key)
    with transaction.atomic():
        strategy = _strategy(key=manifest.key, name=kind.name, family=Family(kind.family), description=kind.description)
        row, _ = StrategyVersion.objects.get_or_create(
            strategy=strategy,
            version=version,
            defaults={
                "origin": f"trained on data {manifest.data[:12]} with seed {manifest.seed}",
                "manifest": asdict(manifest),
                "created_by": created_by,
            },
        )
        if current or strategy.current_id is None:
            strategy.current = row
            strategy.save(update_fields=["current"])
        return strategy.current_id == row.pk


def make_current(key: str, version: str) -> StrategyVersion:
    """Let this version serve where none is named: a newer one, or an older one to go back.

    Raises:
        UnknownStrategy: there is no such strategy or version.
        BrokenArtefact: it has no artefact, or one that cannot be trusted.
        MissingExtra: it needs packages that are not installed.
    """
    strategy = Strategy.objects.filter(key=key).first()
    if strategy is None:
        raise UnknownStrategy(f"there is no version of a strategy {key!r}")
    row = strategy.versions.filter(version=version).first()
    if row is None:
        known = ", ".join(strategy.versions.order_by("id").values_list("version", flat=True))
        raise UnknownStrategy(f"{key} has no version {version!r}; there are {known}")
    if not row.manifest:
        raise BrokenArtefact(f"{row} was not trained here: it has no artefact that could serve")
    load_version(artefact_root(), key, version)
    strategy.current = row
    strategy.save(update_fields=["current"])
    return row


def record_evaluation(
    report: OfflineReport, *, data: str, keys: Sequence[str], created_by: str = "", code_version: str = ""
) -> OfflineEvaluation:
    """Keep an offline evaluation. ``data`` is what people call the data, ``keys`` are those of the candidates."""
    return OfflineEvaluation.objects.create(
        keys=list(keys), data=data[:200], report=to_json(report), created_by=created_by, code_version=code_version
    )


def _strategy(*, key: str, name: str, family: Family, description: str) -> Strategy:
    strategy, created = Strategy.objects.get_or_create(
        key=key, defaults={"name": name, "family": family, "description": description}
    )
    if created:
        strategy.full_clean()
    return strategy
