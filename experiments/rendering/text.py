"""A report for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from experiments import figures
from experiments.contracts import Report
from experiments.rendering import cells
from experiments.rendering.details import conditions, details

WIDTH = 100


def to_text(report: Report, *, width: int = WIDTH) -> str:
    """A report as plain text, ``width`` columns wide: trust first, then the verdict, then the numbers."""
    console = Console(
        file=StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False, emoji=False
    )
    with console.capture() as capture:
        console.print(Group(*_parts(report)))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def _parts(report: Report) -> Iterator[RenderableType]:
    yield Text(cells.title(report.plan))
    yield _pairs(list(cells.facts(report.plan, report.source)))
    yield Text("\nTrust")
    yield _pairs(list(_findings(report)))
    if report.exclusions:
        yield Text("\nLeft out")
        yield _pairs([(f"{figures.count(e.count)} {e.what}", e.message.text) for e in report.exclusions])
    yield Text("\nVerdict")
    yield _pairs(list(_verdicts(report)))
    yield Text("")
    yield _metrics(report)
    yield Text("Details")
    yield Padding(Group(*(Text(line.text) for line in conditions(report))), (0, 0, 0, 2))
    for detail in details(report):
        yield Text(f"  {detail.metric}")
        yield Padding(Group(*(Text(line.text) for line in detail.lines)), (0, 0, 0, 4))


def _verdicts(report: Report) -> Iterator[tuple[str, str]]:
    for verdict in report.verdicts:
        first, *more = cells.verdict_lines(verdict)
        yield cells.words(verdict.action), first.text
        yield from (("", line.text) for line in more)


def _findings(report: Report) -> Iterator[tuple[str, str]]:
    for finding in report.findings:
        yield cells.words(finding.severity), finding.message.text
        if finding.action:
            yield "", f"→ {finding.action.text}"


def _pairs(pairs: list[tuple[str, str]]) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for name, text in pairs:
        table.add_row(Text(name), Text(text))
    return Padding(table, (0, 0, 0, 2))


def _metrics(report: Report) -> Table:
    level = f"{100 * (1 - report.plan.alpha):g}%"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Metric")
    table.add_column("Arm")
    table.add_column("n", justify="right", no_wrap=True)
    table.add_column("Value", justify="right")
    table.add_column(Text(f"Difference\n[{level} interval]"), justify="right")
    table.add_column(Text(f"Relative\n[{level} interval]"), justify="right")
    table.add_column("p", justify="right", no_wrap=True)
    for metric in cells.rows(report):
        name, *notes = metric[0].label
        labels = (name, "\n".join(notes), *[""] * (len(metric) - 2))
        for row, label in zip(metric, labels, strict=True):
            lines = (label, row.arm, row.n, row.value, "\n".join(row.effect), "\n".join(row.relative), row.p_value)
            table.add_row(*map(Text, lines), end_section=row is metric[-1])
    return table
