"""The list of experiments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.views.decorators.http import require_safe

from experiments.contracts import Unit
from experiments.inference.primary import primary_metric
from experiments.models import State
from experiments.selectors import ExperimentSummary, experiment_summaries
from winnow.accounts.access import requires
from winnow.accounts.roles import Permission
from winnow.web.intervals import Axis, axis_for
from winnow.web.request import PageRequest
from winnow.web.scorecard import Effect, primary_effects, tick
from winnow.web.words import UNITS, metric_name


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRow:
    """One line of the list; ``metric`` is the primary one."""

    summary: ExperimentSummary
    state: str | Promise
    unit: str | Promise
    metric: str
    effects: tuple[Effect, ...]


@requires(Permission.VIEW)
@require_safe
def experiments(request: PageRequest) -> HttpResponse:
    """Every experiment, newest first, with what its primary metric says."""
    summaries = experiment_summaries()
    axis = _shared_axis(summaries)
    context = {
        "rows": [_row(summary, axis) for summary in summaries],
        "ticks": [(place, tick(value)) for place, value in axis.ticks],
        "has_results": any(summary.report for summary in summaries),
    }
    return render(request, "experiments.html", context)


def _row(summary: ExperimentSummary, axis: Axis) -> ExperimentRow:
    report = summary.report
    primary = primary_metric(report.plan) if report else None
    return ExperimentRow(
        summary=summary,
        state=State(summary.state).label,
        unit=UNITS[Unit(summary.unit)],
        metric=metric_name(primary.name) if primary else "",
        effects=primary_effects(report, axis) if report else (),
    )


def _shared_axis(summaries: Sequence[ExperimentSummary]) -> Axis:
    reports = [summary.report for summary in summaries if summary.report]
    return axis_for(
        (comparison.rel_ci_low, comparison.rel_ci_high)
        for report in reports
        for result in report.metrics
        if result.metric == primary_metric(report.plan)
        for comparison in result.comparisons
    )
