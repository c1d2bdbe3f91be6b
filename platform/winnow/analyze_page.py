"""A report as one HTML file: no script, no other file, light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.template import Context, Engine

from experiments.contracts import Comparison, Direction, MetricResult, Report
from experiments.rendering import cells
from experiments.tables import AggregateReport
from experiments.tables.listing import headings, lines, summary, texts
from experiments.verdict.judgement import decide
from winnow.web.intervals import Axis, Bar, axis_for, draw

# Not settings.TEMPLATES: a report needs no Django project. Autoescape is on.
ENGINE = Engine(dirs=[str(Path(__file__).parent)], autoescape=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRow:
    """One arm on one metric: what the terminal shows, and a picture of the relative interval."""

    row: cells.Row
    bar: Bar | None
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageMetric:
    """One metric: its name and notes, its arms, its axis."""

    name: str
    notes: str
    rows: tuple[PageRow, ...]


def to_html(report: Report) -> str:
    """A report as a page that can be mailed."""
    return _render(
        "analyze.html",
        {
            "title": cells.title(report.plan),
            "facts": list(cells.facts(report.plan, report.source)),
            "findings": [(one, cells.words(one.severity)) for one in report.findings],
            "exclusions": report.exclusions,
            "verdicts": [(one, cells.words(one.decision)) for one in report.verdicts],
            "level": f"{100 * (1 - report.plan.alpha):g}%",
            "metrics": _metrics(report),
        },
    )


def listing_to_html(report: AggregateReport) -> str:
    """The results of many groups as a page."""
    comparisons = [result.comparison for result in report.results]
    axis = _axis(comparisons)
    rows = [
        (texts(report, line), draw(one.rel_effect, one.rel_ci_low, one.rel_ci_high, axis), _tone(one))
        for line, one in zip(lines(report), comparisons, strict=True)
    ]
    left = len(report.group_columns)
    context = {"title": report.title, "summary": summary(report), "headings": headings(report), "rows": rows}
    return _render("analyze_groups.html", {**context, "left": left})


def _metrics(report: Report) -> list[PageMetric]:
    axis = _axis([one for result in report.metrics for one in result.comparisons])
    return [
        _metric(result, rows, axis) for result, rows in zip(report.metrics, cells.rows(report), strict=True)
    ]


def _metric(result: MetricResult, rows: Sequence[cells.Row], axis: Axis) -> PageMetric:
    control, *treatments = rows
    name, *notes = control.label
    return PageMetric(
        name=name,
        notes=", ".join(notes),
        rows=(
            PageRow(row=control, bar=None, tone=""),
            *(
                PageRow(
                    row=row,
                    bar=draw(one.rel_effect, one.rel_ci_low, one.rel_ci_high, axis),
                    tone=_tone(one, result.metric.direction),
                )
                for row, one in zip(treatments, result.comparisons, strict=True)
            ),
        ),
    )


def _axis(comparisons: Sequence[Comparison]) -> Axis:
    return axis_for((one.rel_ci_low, one.rel_ci_high) for one in comparisons)


def _tone(comparison: Comparison, direction: Direction = Direction.INCREASE) -> str:
    return "" if math.isnan(comparison.p_value) else decide(comparison, direction).value


def _render(template: str, context: dict[str, object]) -> str:
    return str(ENGINE.get_template(template).render(Context(context)))
