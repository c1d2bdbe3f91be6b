"""The page of one offline comparison: what was judged, the picture, all measures, slices, warnings, how it was made."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_safe

from experiments import figures
from recommenders.models import OfflineEvaluation
from recommenders.offline.report import Evaluated, OfflineReport, report_from_json
from recommenders.offline.splits import LEAVE_LAST_OUT
from winnow.accounts.access import requires
from winnow.accounts.roles import Permission
from winnow.catalog.interactions import PARTLY_SIMULATED
from winnow.web import measures
from winnow.web.comparison_picture import picture
from winnow.web.comparison_tables import measure_groups, missing_measures, reasons, slice_rows
from winnow.web.comparisons import is_simulated
from winnow.web.request import PageRequest
from winnow.web.strategy_words import data_name


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyColumn:
    """How one strategy was configured, how long it took, and whether it is a reference."""

    label: str
    key: str
    reference: bool
    failed: bool
    config: tuple[tuple[str, object], ...]
    fit_seconds: str
    score_seconds: str


@requires(Permission.VIEW)
@require_safe
def comparison(request: PageRequest, pk: int) -> HttpResponse:
    """The whole page, drawn from the stored report."""
    evaluation = get_object_or_404(OfflineEvaluation, pk=pk)
    report = report_from_json(evaluation.report)
    groups, slices = measure_groups(report), slice_rows(report)
    context = {
        "evaluation": evaluation,
        "report": report,
        "data": data_name(evaluation.data),
        "protocol": protocol(report),
        "simulated": is_simulated(report),
        "picture": picture(report, candidates(report)),
        "strategies": [_column(report, one) for one in report.strategies],
        "groups": groups,
        "missing": missing_measures(report),
        "reasons": reasons([row for group in groups for row in group.rows] + list(slices)),
        "slices": slices,
        "failures": [one for one in report.strategies if one.failure],
        "warnings": warnings(report),
    }
    return render(request, "comparison.html", context)


def candidates(report: OfflineReport) -> tuple[str, ...]:
    """The strategies that are no reference; all of them where only references were judged."""
    found = tuple(one.label for one in report.strategies if one.label not in report.references)
    return found or tuple(one.label for one in report.strategies)


def protocol(report: OfflineReport) -> str:
    """How the data was split, in a sentence."""
    split = report.protocol
    if split.get("split") == LEAVE_LAST_OUT:
        return gettext("The last event of each user was hidden and had to be found.")
    if "moment" in split:
        when = measures.day_of(int(split["moment"]))
        text = gettext("Strategies learnt from what came before %(when)s and had to find what came after.")
        return text % {"when": when}
    return ", ".join(f"{name} {value}" for name, value in split.items())


def warnings(report: OfflineReport) -> tuple[str, ...]:
    """What went wrong without ending a strategy, and what else to know."""
    found = []
    for one in report.strategies:
        label = {"label": one.label}
        if one.not_numbers:
            text = ngettext(
                "%(label)s: %(number)s score was no number; such an item is never shown.",
                "%(label)s: %(number)s scores were no numbers; such items are never shown.",
                one.not_numbers,
            )
            found.append(text % (label | {"number": figures.count(one.not_numbers)}))
        if one.short_lists:
            text = ngettext(
                "%(label)s: %(number)s list has fewer than %(k)s items although the catalogue has enough.",
                "%(label)s: %(number)s lists have fewer than %(k)s items although the catalogue has enough.",
                one.short_lists,
            )
            found.append(text % (label | {"number": figures.count(one.short_lists), "k": str(report.k)}))
    return (*found, *(gettext(note) for note in report.notes if note != PARTLY_SIMULATED))


def _column(report: OfflineReport, one: Evaluated) -> StrategyColumn:
    return StrategyColumn(
        label=one.label,
        key=one.key,
        reference=one.label in report.references,
        failed=one.failure is not None,
        config=tuple(one.config.items()),
        fit_seconds=measures.seconds(one.fit_seconds),
        score_seconds=measures.seconds(one.score_seconds),
    )
