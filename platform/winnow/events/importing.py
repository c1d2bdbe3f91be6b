"""Bring a file of events through the door: all checked first, then sent in parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from django.utils import timezone

from winnow.events.files import BadFile, read_events
from winnow.events.ingest import ingest
from winnow.events.schema import BadEvent, parse_event

PART = 1_000  # events in an inbox row
MOST_SHOWN = 10


@dataclass(slots=True)
class Check:
    """What a first pass over a file saw."""

    valid: int = 0
    invalid: int = 0
    examples: list[str] = field(default_factory=list)  # the first few mistakes: file, row, column, rule


def check_file(path: Path) -> Check:
    """Read the whole file and change nothing. Raises BadFile."""
    check = Check()
    now = timezone.now()
    for number, raw in read_events(path):
        try:
            if isinstance(raw, BadEvent):
                raise raw
            parse_event(raw, received_at=now)
        except BadEvent as error:
            check.invalid += 1
            if check.invalid <= MOST_SHOWN:
                check.examples.append(_sentence(path, number, error))
        else:
            check.valid += 1
    if not check.valid and not check.invalid:
        raise BadFile(f"{path} has no events")
    return check


def _sentence(path: Path, number: int, error: BadEvent) -> str:
    column = error.field.removeprefix("properties.")
    return f"{path}, row {number}{column and ', ' + column}: {error.rule}"


def import_file(path: Path, *, progress: Callable[[int], None]) -> int:
    """Ingest the valid events of a file; ``progress`` is told how many rows are done. Returns how many were accepted.

    Message ids are the file's own or made from its content and the row, so importing it again doubles nothing.
    """
    accepted = done = 0
    for part in _parts(path):
        accepted += ingest(part).accepted
        done += len(part)
        progress(done)
    return accepted


def _parts(path: Path) -> Iterator[list[object]]:
    rows = (raw for _, raw in read_events(path))  # what is no event, ingest refuses
    while part := list(islice(rows, PART)):
        yield part
