"""Files of sequences: ``user item item …`` a line, each user's items in the order of time."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from recommenders.contracts import Interactions, Items
from recommenders.errors import InvalidData


def load_sequences(path: Path) -> Interactions:
    """The interactions of a file, plain or .gz. Ids are texts, numbered in the order in which they come.

    There are no times in such a file: an event's time is its place in the line, so events of different users cannot be
    put in order, and a split at a moment means nothing.

    Raises:
        InvalidData: the file cannot be read, is empty, names a user twice, or has a line without an item.
    """
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    what: list[int] = []
    lengths: list[int] = []
    for number, (user, *sequence) in _lines(path):
        if not sequence:
            raise InvalidData("line", f"{path.name}, line {number}: user {user!r} has no item, must have one or more")
        if user in users:
            raise InvalidData("line", f"{path.name}, line {number}: user {user!r} has a line already")
        users[user] = len(users)
        what.extend([items.setdefault(item, len(items)) for item in sequence])
        lengths.append(len(sequence))
    if not users:
        raise InvalidData("file", f"{path.name} has no line with a user and items")
    sizes = np.asarray(lengths)
    return Interactions.build(
        users=np.repeat(np.arange(sizes.size), sizes),
        items=what,
        times=np.arange(len(what)) - np.repeat(np.cumsum(sizes) - sizes, sizes),
        catalogue=Items(ids=tuple(items)),
        user_ids=tuple(users),
    )


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The words of each line that has any, with its number."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if words := line.split():
                    yield number, words
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InvalidData("file", f"{path.name} cannot be read: {error}") from None
