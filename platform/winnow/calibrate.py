"""``winnow calibrate``: do the statistics keep their promises on this installation's own data?"""

from __future__ import annotations

import json
from collections.abc import Sequence

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from experiments import figures
from experiments.contracts import Scale
from experiments.models import CalibrationRecord
from experiments.services.calibration import DAYS
from experiments.stats.calibration import RUNS, binomial_band
from winnow.jobs.calibration import calibrate_lake, request_calibration

COLUMNS = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
HEADINGS = ("metric", "method", "units", "false positives", "coverage", "uniform p", "badge")
FIGURES = ("method", "unit", "units", "runs", "alpha", "false_positives", "coverage", "uniformity_p")


@click.command()
@click.option(
    "--runs", type=click.IntRange(RUNS), default=RUNS, show_default=True, help="Random splits of each metric."
)
@click.option("--days", type=click.IntRange(1, 365), default=DAYS, show_default=True, help="Of events before the last.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Do it here, or leave it to a worker.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def calibrate(context: click.Context, runs: int, days: int, wait: bool, form: str) -> None:
    """Check the statistics on recent units that nothing divides: how often is there an effect where none is?

    Each metric's recent units are divided at random many times and compared as in a report. The figures are stored, and
    shown beside the metric on every result that is computed from then on.
    """
    if not wait:
        _leave_to_a_worker(context)
        return
    with Progress(*COLUMNS, console=Console(stderr=True)) as bar:
        task = bar.add_task("check")
        records = calibrate_lake(
            runs=runs, days=days, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    if form == "json":
        click.echo(json.dumps([_plain(record) for record in records], indent=2))
    else:
        click.echo("\n".join(_lines(records, runs, days)))


def _leave_to_a_worker(context: click.Context) -> None:
    for name in ("runs", "days", "form"):
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            raise click.ClickException("a worker checks in its own way: --no-wait takes no other option")
    job = request_calibration(requested_by="command")
    click.echo(f"job {job.pk} is {job.state}; a worker of `winnow up` does it")


def _plain(record: CalibrationRecord) -> dict[str, object]:
    """``passed`` is null where the units could not answer."""
    return {
        "metric": record.metric_key,
        **{name: getattr(record, name) for name in FIGURES},
        "passed": None if record.reasons else record.passed,
        "reasons": record.reasons,
        "lake_version": record.lake_version,
        "days": record.days,
    }


def _lines(records: Sequence[CalibrationRecord], runs: int, days: int) -> list[str]:
    if not records:
        return ["There are no events to check the statistics with."]
    rows = [HEADINGS, *map(_cells, records)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    low, high = (figures.value(count / runs, Scale.SHARE) for count in binomial_band(runs, records[0].alpha))
    promise = (
        f"{runs} random splits of the units of {days} days, lake version {records[0].lake_version}."
        f" A right method has false positives and misses of {low} to {high} and a uniform p of at least .01."
    )
    return [*table, "", promise, _verdict(records)]


def _cells(record: CalibrationRecord) -> tuple[str, ...]:
    shares = (record.false_positives, record.coverage)
    return (
        record.metric_key if record.unit == "user" else f"{record.metric_key} (by {record.unit})",
        record.method,
        figures.count(record.units),
        *(figures.ABSENT if share is None else figures.value(share, Scale.SHARE) for share in shares),
        figures.ABSENT if record.uniformity_p is None else figures.p_value(record.uniformity_p),
        ", ".join(record.reasons) or ("passed" if record.passed else "FAILED"),
    )


def _verdict(records: Sequence[CalibrationRecord]) -> str:
    judged = [record for record in records if not record.reasons]
    failed = [f"{record.metric_key} ({record.method})" for record in judged if not record.passed]
    if failed:
        return f"{len(failed)} of {len(judged)} failed: {', '.join(failed)}. See docs/statistics/calibration-check.md."
    return f"All {len(judged)} passed." if judged else "No metric has enough units yet."
