"""The list of strategies."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from experiments.models import Arm, State
from recommenders.models import Strategy, StrategyVersion
from winnow.accounts.access import requires
from winnow.accounts.roles import Permission
from winnow.web.request import PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """One version and the arms of running experiments in which it serves."""

    version: StrategyVersion
    serves: tuple[Arm, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyRow:
    """One strategy and its versions, newest first."""

    strategy: Strategy
    versions: tuple[VersionRow, ...]


@requires(Permission.VIEW)
@require_safe
def strategies(request: PageRequest) -> HttpResponse:
    """Every strategy with its versions, and where each one serves now."""
    return render(request, "strategies.html", {"rows": strategy_rows()})


def strategy_rows() -> tuple[StrategyRow, ...]:
    """Three queries: strategies, versions, arms of running experiments."""
    serving: dict[str, list[Arm]] = defaultdict(list)
    arms = Arm.objects.filter(experiment__state=State.RUNNING).exclude(strategy_key="")
    for arm in arms.select_related("experiment").order_by("experiment__key", "position"):
        serving[arm.strategy].append(arm)
    newest_first = Prefetch("versions", StrategyVersion.objects.order_by("-id"))
    return tuple(
        StrategyRow(
            strategy=strategy,
            versions=tuple(
                VersionRow(version=version, serves=tuple(serving[f"{strategy.key}@{version.version}"]))
                for version in strategy.versions.all()
            ),
        )
        for strategy in Strategy.objects.order_by("name").prefetch_related(newest_first)
    )
