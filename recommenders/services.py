"""Registering strategies."""

from __future__ import annotations

from django.db import transaction

from recommenders.models import Family, Strategy, StrategyVersion


def register_version(
    *, key: str, version: str, name: str, family: Family, description: str = "", origin: str = ""
) -> StrategyVersion:
    """The version of this strategy, registered if it is new. What exists already is left as it is."""
    with transaction.atomic():
        strategy, created = Strategy.objects.get_or_create(
            key=key, defaults={"name": name, "family": family, "description": description}
        )
        if created:
            strategy.full_clean()
        return StrategyVersion.objects.get_or_create(strategy=strategy, version=version, defaults={"origin": origin})[0]
