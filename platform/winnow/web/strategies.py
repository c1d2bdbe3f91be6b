"""The list of strategies: what is installed or registered, what serves, and how well it did offline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from experiments.models import Arm, State
from recommenders.errors import MissingExtra, UnknownStrategy
from recommenders.models import Family, OfflineEvaluation, Strategy, StrategyVersion
from recommenders.offline.report import OfflineReport, report_from_json
from recommenders.registry import places, strategy_class
from winnow.accounts.access import requires
from winnow.accounts.roles import Permission
from winnow.web import measures
from winnow.web.comparisons import is_simulated
from winnow.web.request import PageRequest

Serving = Mapping[str, Sequence[Arm]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a strategy is. ``missing`` says which package it lacks; ``installed`` ones can be trained."""

    key: str
    name: str
    family: str
    description: str
    installed: bool
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingRow:
    """A version that serves in arms of running experiments."""

    version: str
    arms: tuple[Arm, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyRow:
    """One line of the list; ``figure`` and ``interval`` are its NDCG in the newest comparison."""

    described: Described
    current: StrategyVersion | None
    newest: StrategyVersion | None
    versions: int
    serves: tuple[ServingRow, ...]
    figure: str
    interval: str


@requires(Permission.VIEW)
@require_safe
def strategies(request: PageRequest) -> HttpResponse:
    """Every strategy, what serves of it now, and its figure in the newest comparison."""
    newest = OfflineEvaluation.objects.first()
    report = report_from_json(newest.report) if newest else None
    rows = strategy_rows(report)
    context = {
        "rows": rows,
        "newest": newest,
        "k": report.k if report else 0,
        "simulated": report is not None and is_simulated(report),
        "any_trained": any(row.versions for row in rows),
        "may_train": request.user.may(Permission.REGISTER_STRATEGIES),
    }
    return render(request, "strategies.html", context)


def strategy_rows(report: OfflineReport | None = None) -> tuple[StrategyRow, ...]:
    """Three queries: strategies, versions, arms of running experiments. Those with versions come first."""
    newest_first = Prefetch("versions", StrategyVersion.objects.order_by("-id"))
    registered = {
        row.key: row
        for row in Strategy.objects.select_related("current").prefetch_related(newest_first).order_by("key")
    }
    serving = arms_by_version()
    figures = _figures(report)
    keys = dict.fromkeys([*registered, *places()])
    rows = (_row(key, registered.get(key), serving, figures) for key in keys)
    return tuple(sorted(rows, key=lambda row: not row.versions))


def arms_by_version() -> Serving:
    """The arms of running experiments by the ``key@version`` that serves in them."""
    serving: dict[str, list[Arm]] = defaultdict(list)
    arms = Arm.objects.filter(experiment__state=State.RUNNING).exclude(strategy_key="")
    for arm in arms.select_related("experiment").order_by("experiment__key", "position"):
        serving[arm.strategy].append(arm)
    return serving


def describe(key: str, row: Strategy | None) -> Described:
    """A strategy by its class, or by its row where the class is not here."""
    missing = ""
    try:
        kind = strategy_class(key)
    except MissingExtra as error:
        missing = str(error)
    except UnknownStrategy:
        pass
    else:
        return Described(
            key=key,
            name=gettext(kind.name),
            family=str(Family(kind.family).label),
            description=gettext(kind.description) if kind.description else "",
            installed=True,
        )
    return Described(
        key=key,
        name=row.name if row else key,
        family=str(Family(row.family).label) if row else "",
        description=row.description if row else "",
        installed=False,
        missing=missing,
    )


def _row(key: str, row: Strategy | None, serving: Serving, figures: Mapping[str, tuple[str, str]]) -> StrategyRow:
    versions = list(row.versions.all()) if row else []
    figure, interval = figures.get(key, ("", ""))
    return StrategyRow(
        described=describe(key, row),
        current=row.current if row else None,
        newest=versions[0] if versions else None,
        versions=len(versions),
        serves=tuple(
            ServingRow(version=version.version, arms=tuple(serving[f"{key}@{version.version}"]))
            for version in versions
            if f"{key}@{version.version}" in serving
        ),
        figure=figure,
        interval=interval,
    )


def _figures(report: OfflineReport | None) -> Mapping[str, tuple[str, str]]:
    """Label → NDCG and its interval. The label of a strategy in its default configuration is its key."""
    return {
        one.label: (measures.number(figure.value), measures.interval(figure.ci_low, figure.ci_high))
        for one in (report.strategies if report else ())
        for figure in one.figures
        if (figure.metric, figure.slice) == ("ndcg", "all")
    }
