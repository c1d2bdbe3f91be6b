"""``winnow events``: files of events."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from winnow.events.files import BadFile
from winnow.events.importing import check_file, import_file

COLUMNS = (TextColumn("importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


@click.group()
def events() -> None:
    """Events: bring them in."""


@events.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check the file and import nothing.")
@click.option("--skip-invalid", is_flag=True, help="Import the valid events and count the others.")
def import_events(file: Path, dry_run: bool, skip_invalid: bool) -> None:
    """Import FILE: NDJSON in Segment's envelope, or CSV or Parquet with the columns of docs/events.md; plain or gzip.

    The whole file is checked before anything is imported. Importing a file again doubles nothing.
    """
    console = Console(stderr=True)
    try:
        with console.status(f"checking {file}"):
            check = check_file(file)
        for example in check.examples:
            click.echo(example, err=True)
        if check.invalid and not skip_invalid:
            raise click.ClickException(
                f"{check.invalid} of {check.valid + check.invalid} events in {file} are invalid;"
                " nothing was imported (--skip-invalid imports the others)"
            )
        if dry_run:
            click.echo(f"{check.valid} events would be imported, {check.invalid} skipped")
            return
        with Progress(*COLUMNS, console=console) as bar:
            task = bar.add_task("import", total=check.valid + check.invalid)
            accepted = import_file(file, progress=lambda done: bar.update(task, completed=done))
    except BadFile as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{accepted} events imported, {check.invalid} skipped; the next compaction carries them into the lake")
