"""A report for a document or a ticket."""

from __future__ import annotations

from collections.abc import Iterator

from experiments import figures
from experiments.contracts import Report
from experiments.rendering import cells
from experiments.rendering.details import conditions, details


def to_markdown(report: Report) -> str:
    """A report as GitHub-flavoured Markdown: trust first, then the verdict, then the numbers."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# {_escape(cells.title(report.plan))}"
    yield ""
    yield from (f"- {name}: {_escape(text)}" for name, text in cells.facts(report.plan, report.source))
    yield from ("", "## Trust", "")
    for finding in report.findings:
        action = f" {finding.action.text}" if finding.action else ""
        yield f"- **{cells.words(finding.severity)}**: {_escape(finding.message.text + action)}"
    if report.exclusions:
        yield from ("", "## Left out", "")
        yield from (f"- {figures.count(e.count)} {e.what}: {_escape(e.message.text)}" for e in report.exclusions)
    yield from ("", "## Verdict", "")
    for verdict in report.verdicts:
        text = " ".join(line.text for line in cells.verdict_lines(verdict))
        yield f"- **{cells.words(verdict.action)}**: {_escape(text)}"
    yield from ("", "## Metrics", "")
    level = f"{100 * (1 - report.plan.alpha):g}% interval"
    yield f"| Metric | Arm | n | Value | Difference [{level}] | Relative [{level}] | p |"
    yield "|:--|:--|--:|--:|--:|--:|--:|"
    for metric in cells.rows(report):
        for row in metric:
            texts = (", ".join(row.label), row.arm, row.n, row.value, " ".join(row.effect), " ".join(row.relative))
            yield "| " + " | ".join(map(_escape, (*texts, row.p_value))) + " |"
    yield from ("", "## Details", "")
    yield from (f"- {_escape(line.text)}" for line in conditions(report))
    for detail in details(report):
        yield from ("", f"### {_escape(detail.metric)}", "")
        yield from (f"- {_escape(line.text)}" for line in detail.lines)


def _escape(text: str) -> str:
    """A user's text must not end a cell, start a heading or become a tag."""
    for character in "\\`*_|<>#":
        text = text.replace(character, "\\" + character)
    return " ".join(text.replace("](", "]\\(").split())
