"""Results of many groups, written out: one row per group."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments import figures
from experiments.contracts import ArmSummary, Scale
from experiments.rendering.cells import REASONS
from experiments.tables.aggregates import AggregateReport, GroupResult
from experiments.tables.families import Family, sentences

WIDTH = 140


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One group, written out."""

    group: tuple[str, ...]
    snapshot: str
    n: tuple[str, str]
    value: tuple[str, str]
    effect: str
    interval: str
    relative: str
    p_value: str
    adjusted_p: str
    ever: str
    reasons: str


def lines(report: AggregateReport) -> Iterator[Line]:
    """The rows of a listing."""
    return (_line(result) for result in report.results)


def summary(report: AggregateReport) -> str:
    """What the list says as a whole, and what it does not."""
    silent = len(report.results) - report.answered
    text = f"{len(report.results):,} groups from {figures.count(report.source.rows or 0)} rows of {report.source.name}"
    if report.snapshot_column:
        text += f", the last {report.snapshot_column} of each"
    text += f". {report.significant:,} of {report.answered:,} differ at p ≤ {report.alpha:g}; about "
    text += f"{report.alpha * report.answered:,.0f} would if nothing had an effect."
    text += "" if report.adjusted else " Nothing is adjusted for that."
    text += "".join(f" {sentence}" for sentence in sentences(report.families, report.family_column))
    return text + (f" {silent:,} cannot be answered." if silent else "")


def headings(report: AggregateReport) -> tuple[str, ...]:
    """The names of a listing's columns."""
    level = f"{100 * (1 - report.alpha):g}% interval"
    snapshot = (report.snapshot_column,) if report.snapshot_column else ()
    measured = ("n control", "n treatment", "Control", "Treatment", "Difference", level, "Relative", "p")
    adjusted = ("p adjusted",) if report.adjusted else ()
    ever = ("ever",) if _peeked(report) else ()
    return (*report.group_columns, *snapshot, *measured, *adjusted, *ever, "")


def _peeked(report: AggregateReport) -> bool:
    return any(result.ever is not None for result in report.results)


def texts(report: AggregateReport, line: Line) -> tuple[str, ...]:
    """A row's cells, in the order of the headings."""
    snapshot = (line.snapshot,) if report.snapshot_column else ()
    measured = (line.effect, line.interval, line.relative, line.p_value)
    adjusted = (line.adjusted_p,) if report.adjusted else ()
    ever = (line.ever,) if _peeked(report) else ()
    return (*line.group, *snapshot, *line.n, *line.value, *measured, *adjusted, *ever, line.reasons)


def listing_to_text(report: AggregateReport) -> str:
    """A listing for a terminal. It is as wide as its columns need, so that no figure is broken."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    left = len(report.group_columns)
    for i, name in enumerate(headings(report)):
        table.add_column(Text(name), justify="left" if i < left or not name else "right", no_wrap=True)
    for line in lines(report):
        table.add_row(*map(Text, texts(report, line)))
    console = Console(file=StringIO(), width=10 * WIDTH, color_system=None, force_terminal=False, emoji=False)
    with console.capture() as capture:
        console.print(table)
    body = "\n".join(row.rstrip() for row in capture.get().splitlines())
    return f"{report.title}\n{summary(report)}\n{body}\n"


def listing_to_markdown(report: AggregateReport) -> str:
    """A listing for a document."""
    names = headings(report)
    marks = [":--" if i < len(report.group_columns) else "--:" for i in range(len(names))]
    rows = [names, tuple(marks), *(tuple(map(_escape, texts(report, line))) for line in lines(report))]
    table = "\n".join(f"| {' | '.join(row)} |" for row in (tuple(map(_escape, names)), *rows[1:]))
    return f"# {_escape(report.title)}\n\n{_escape(summary(report))}\n\n{table}\n"


def listing_to_json(report: AggregateReport) -> dict[str, object]:
    """A listing for programs: null where data cannot answer, with the reasons beside it."""
    return {
        "title": report.title,
        "source": {"name": report.source.name, "rows": report.source.rows},
        "alpha": report.alpha,
        "groups": len(report.results),
        "answered": report.answered,
        "significant": report.significant,
        "family": report.family_column or None,
        "families": [_family(one) for one in report.families],
        "results": [_plain(report, result) for result in report.results],
    }


def _family(family: Family) -> dict[str, object]:
    return {
        "value": family.value or None,
        "answered": family.answered,
        "significant": family.significant,
        "discovered": family.discovered,
        "ever": family.ever,
    }


def _plain(report: AggregateReport, result: GroupResult) -> dict[str, object]:
    comparison = result.comparison
    figures_of = ("effect", "se", "df", "ci_low", "ci_high", "p_value", "log_p")
    relative = ("rel_effect", "rel_ci_low", "rel_ci_high")
    return {
        "group": dict(zip(report.group_columns, result.group, strict=True)),
        "snapshot": result.snapshot or None,
        "snapshots": result.snapshots,
        "control": _arm(result.control),
        "treatment": _arm(result.treatment),
        **{name: _finite(getattr(comparison, name)) for name in (*figures_of, *relative)},
        "significant": comparison.significant,
        "adjusted_p": _finite(result.adjusted_p),
        "ever_significant": result.ever,
        "reasons": [str(reason) for reason in comparison.reasons],
    }


def _arm(arm: ArmSummary) -> dict[str, object]:
    return {"n": arm.n, "mean": _finite(arm.mean), "sd": _finite(arm.sd)}


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _line(result: GroupResult) -> Line:
    comparison = result.comparison
    low, high = comparison.ci_low, comparison.ci_high
    spread = figures.half_width(low, high)
    relative_spread = figures.half_width(comparison.rel_ci_low, comparison.rel_ci_high)
    return Line(
        group=result.group,
        snapshot=result.snapshot,
        n=(figures.count(result.control.n), figures.count(result.treatment.n)),
        value=(
            figures.value(result.control.mean, Scale.NUMBER, spread=spread),
            figures.value(result.treatment.mean, Scale.NUMBER, spread=spread),
        ),
        effect=figures.difference(comparison.effect, Scale.NUMBER, spread=spread),
        interval="" if math.isnan(low) else figures.interval(low, high, Scale.NUMBER),
        relative=figures.relative(comparison.rel_effect, spread=relative_spread),
        p_value=figures.p_value(comparison.p_value, comparison.log_p),
        adjusted_p=figures.p_value(result.adjusted_p),
        ever={None: "", True: "yes", False: "no"}[result.ever],
        reasons=", ".join(REASONS[reason] for reason in comparison.reasons),
    )


def _escape(text: str) -> str:
    for character in "\\`*_|<>#":
        text = text.replace(character, "\\" + character)
    return " ".join(text.replace("](", "]\\(").split())
