"""The tables of a comparison: every measure of every strategy, and the same in parts of the users and items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from experiments.figures import ABSENT
from recommenders.offline.rating_metrics import RATING
from recommenders.offline.report import Evaluated, Figure, OfflineReport
from winnow.web import measures
from winnow.web.comparison_picture import NDCG, NO_INTERVAL

FAILED = _("This strategy failed.")
NO_RATINGS = _("This strategy predicts no ratings.")
NOBODY = _("Nobody has a value.")
NOT_MEASURED = _("It was not measured.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A figure with its interval, and the reason where one of them is absent."""

    value: str
    interval: str = ""
    reason: str | Promise = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """A measure or a slice, explained; ``n`` is the number of users behind it."""

    key: str
    name: str | Promise
    explanation: str | Promise
    n: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Measures of one kind."""

    name: str | Promise
    rows: tuple[TableRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A measure that no strategy has, and why."""

    name: str | Promise
    reason: str | Promise


def measure_groups(report: OfflineReport) -> tuple[Group, ...]:
    """Every measure that at least one strategy has, over all users."""
    found = {figure.metric for one in report.strategies for figure in one.figures}
    groups = (
        Group(name=name, rows=tuple(_measure_row(report, metric) for metric in metrics if metric in found))
        for name, metrics in measures.GROUPS
    )
    return tuple(group for group in groups if group.rows)


def missing_measures(report: OfflineReport) -> tuple[Missing, ...]:
    """The measures that no strategy has."""
    found = {figure.metric for one in report.strategies for figure in one.figures}
    if not found:
        return ()
    return tuple(
        Missing(name=name, reason=measures.MISSING.get(metric, NOT_MEASURED))
        for metric, name in measures.NAMES.items()
        if metric not in found
    )


def slice_rows(report: OfflineReport) -> tuple[TableRow, ...]:
    """NDCG in every slice that somebody is in."""
    parts = dict.fromkeys(figure.slice for one in report.strategies for figure in one.figures)
    return tuple(
        _table_row(report, part, NDCG, part, *measures.SLICES.get(part, (part, "")))
        for part in parts
        if part == "all" or len(parts) > 1
    )


def _measure_row(report: OfflineReport, metric: str) -> TableRow:
    return _table_row(report, metric, metric, "all", measures.NAMES[metric], measures.EXPLANATIONS[metric])


def _table_row(
    report: OfflineReport, key: str, metric: str, part: str, name: str | Promise, explanation: str | Promise
) -> TableRow:
    figures = [_figure(one, metric, part) for one in report.strategies]
    pairs = zip(report.strategies, figures, strict=True)
    return TableRow(
        key=key,
        name=name,
        explanation=explanation,
        n=max((figure.n for figure in figures if figure), default=0),
        cells=tuple(_cell(one, figure, metric) for one, figure in pairs),
    )


def _figure(one: Evaluated, metric: str, part: str) -> Figure | None:
    return next((each for each in one.figures if (each.metric, each.slice) == (metric, part)), None)


def _cell(one: Evaluated, figure: Figure | None, metric: str) -> Cell:
    if figure is None:
        reason = FAILED if one.failure else NO_RATINGS if metric in RATING else NOT_MEASURED
        return Cell(value=ABSENT, reason=reason)
    if math.isnan(figure.value):
        return Cell(value=ABSENT, reason=NOBODY)
    return Cell(
        value=measures.number(figure.value),
        interval=measures.interval(figure.ci_low, figure.ci_high),
        reason=NO_INTERVAL if math.isnan(figure.ci_low) else "",
    )


def reasons(tables: Sequence[TableRow]) -> tuple[str, ...]:
    """Every reason that stands in these rows, once."""
    return tuple(dict.fromkeys(str(cell.reason) for row in tables for cell in row.cells if cell.reason))
