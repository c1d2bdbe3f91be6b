"""A report as one HTML file: no script, no other file, light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.template import Context, Engine

from experiments import figures
from experiments.contracts import Comparison, Direction, MetricResult, Report
from experiments.rendering import cells
from experiments.rendering.details import conditions, details
from experiments.tables import AggregateReport
from experiments.tables.aggregates import group_label
from experiments.tables.listing import headings, lines, summary, texts
from experiments.verdict.judgement import decide
from winnow.web.intervals import Axis, axis_for, draw

# Not settings.TEMPLATES: a report needs no Django project. So the templates get texts only, since writing a number
# would ask the settings how. Autoescape is on.
ENGINE = Engine(dirs=[str(Path(__file__).parent)], autoescape=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A relative interval, drawn. ``label`` says the same in words; ``point`` is empty beyond an end of the axis."""

    label: str
    tone: str
    start: str
    end: str
    point: str
    arrow_low: bool
    arrow_high: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRow:
    """One arm on one metric: what the terminal shows, and a picture of the relative interval."""

    row: cells.Row
    picture: Picture | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageMetric:
    """One metric: its name and notes, its arms, its axis."""

    name: str
    notes: str
    height: str  # in rows
    rows: tuple[PageRow, ...]


def to_html(report: Report) -> str:
    """A report as a page that can be mailed."""
    return _render(
        "analyze.html",
        {
            "title": cells.title(report.plan),
            "facts": list(cells.facts(report.plan, report.source)),
            "findings": [(one, cells.words(one.severity)) for one in report.findings],
            "exclusions": [(f"{figures.count(one.count)} {one.what}", one) for one in report.exclusions],
            "verdicts": [(one, cells.words(one.action), list(cells.verdict_lines(one))) for one in report.verdicts],
            "conditions": list(conditions(report)),
            "details": list(details(report)),
            "level": f"{100 * (1 - report.plan.alpha):g}%",
            "metrics": _metrics(report),
        },
    )


def listing_to_html(report: AggregateReport) -> str:
    """The results of many groups as a page."""
    comparisons = [result.comparison for result in report.results]
    axis = _axis(comparisons)
    left = len(report.group_columns)
    rows = []
    for line, one in zip(lines(report), comparisons, strict=True):
        written = texts(report, line)
        label = f"{group_label(line.group)}: {line.relative}"
        rows.append((written[:left], written[left:], _picture(one, axis, label, Direction.INCREASE)))
    context = {"title": report.title, "summary": summary(report), "headings": headings(report), "rows": rows}
    return _render("analyze_groups.html", context)


def _metrics(report: Report) -> list[PageMetric]:
    return [_metric(result, rows) for result, rows in zip(report.metrics, cells.rows(report), strict=True)]


def _metric(result: MetricResult, rows: Sequence[cells.Row]) -> PageMetric:
    axis = _axis(result.comparisons)
    control, *treatments = rows
    name, *notes = control.label
    pictures = (
        _picture(one, axis, f"{name}, {row.arm}: {' '.join(row.relative)}", result.metric.direction)
        for row, one in zip(treatments, result.comparisons, strict=True)
    )
    drawn = (PageRow(row=row, picture=picture) for row, picture in zip(treatments, pictures, strict=True))
    return PageMetric(name=name, notes=", ".join(notes), height=str(len(rows)), rows=(PageRow(row=control), *drawn))


def _picture(comparison: Comparison, axis: Axis, label: str, direction: Direction) -> Picture | None:
    bar = draw(comparison.rel_effect, comparison.rel_ci_low, comparison.rel_ci_high, axis)
    if bar is None:
        return None
    tone = decide(comparison, direction).value
    return Picture(
        label=f"{label}, {tone}",
        tone=tone,
        start=f"{bar.start:.1f}",
        end=f"{bar.start + bar.length:.1f}",
        point="" if bar.point is None else f"{bar.point:.1f}",
        arrow_low=bar.arrow_low,
        arrow_high=bar.arrow_high,
    )


def _axis(comparisons: Sequence[Comparison]) -> Axis:
    return axis_for((one.rel_ci_low, one.rel_ci_high) for one in comparisons)


def _render(template: str, context: Mapping[str, object]) -> str:
    return str(ENGINE.get_template(template).render(Context(dict(context))))
