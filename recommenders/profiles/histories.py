"""The last acts of every user, on disk in the order of user ids, so that one user is found without reading the rest.

Five arrays and two lists of texts, little-endian, without headers; mapped into memory, so that a reader starts at once,
keeps nothing and shares what it read with the other processes of the machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import duckdb
import numpy as np
import numpy.typing as npt

LONGEST = 50  # acts of a user that are kept
ITEMS, TIMES, KINDS, ENDS, USERS, ITEM_IDS = "items", "times", "kinds", "ends", "users", "item_ids"
TYPES = {ITEMS: "<i4", TIMES: "<i8", KINDS: "<i1", ENDS: "<i8"}
CHUNK = 200  # of DuckDB's vectors of 2,048 rows

KEPT = """
CREATE OR REPLACE TEMP TABLE kept AS
SELECT user_id, timestamp, message_id, kind, item_id FROM acts
QUALIFY ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY timestamp DESC, message_id DESC, item_id DESC) <= $longest
"""
CODES = """
CREATE OR REPLACE TEMP TABLE item_codes AS
SELECT item_id, CAST(ROW_NUMBER() OVER (ORDER BY item_id) - 1 AS INTEGER) AS code
FROM (SELECT DISTINCT item_id FROM kept)
"""
ROWS = """
SELECT code AS items, EPOCH_US(timestamp) // 1000000 AS times, kind AS kinds
FROM kept JOIN item_codes USING (item_id) ORDER BY user_id, timestamp, message_id, item_id
"""
COUNTS = "SELECT user_id AS users, COUNT(*) AS n FROM kept GROUP BY user_id ORDER BY user_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What one user did, oldest first: ids of items, seconds since 1970, and recommenders.contracts.Kind."""

    items: tuple[str, ...]
    times: tuple[int, ...]
    kinds: tuple[int, ...]


def write_histories(connection: duckdb.DuckDBPyConnection, folder: Path) -> int:
    """Write the last acts of each user of the ``acts`` view into a folder. Returns how many users there are."""
    connection.execute(KEPT, {"longest": LONGEST})
    connection.execute(CODES)
    with ExitStack() as stack:
        files = {name: stack.enter_context((folder / name).open("wb")) for name in TYPES}
        for rows in _chunks(connection, ROWS):
            for name in (ITEMS, TIMES, KINDS):
                rows[name].astype(TYPES[name]).tofile(files[name])
        end = 0
        users = _TextWriter(folder / USERS, stack)
        for rows in _chunks(connection, COUNTS):
            ends = end + np.cumsum(rows["n"])
            ends.astype(TYPES[ENDS]).tofile(files[ENDS])
            users.write(rows["users"].tolist())
            end = int(ends[-1])
        items = _TextWriter(folder / ITEM_IDS, stack)
        for rows in _chunks(connection, "SELECT item_id FROM item_codes ORDER BY code"):
            items.write(rows["item_id"].tolist())
    connection.execute("DROP TABLE kept")
    connection.execute("DROP TABLE item_codes")
    return users.count


class Histories:
    """The histories of a folder. Raises FileNotFoundError where there are none."""

    def __init__(self, folder: Path) -> None:
        self._items, self._times = _map(folder / ITEMS, TYPES[ITEMS]), _map(folder / TIMES, TYPES[TIMES])
        self._kinds, self._ends = _map(folder / KINDS, TYPES[KINDS]), _map(folder / ENDS, TYPES[ENDS])
        self._users, self._item_ids = Texts(folder / USERS), Texts(folder / ITEM_IDS)

    def __len__(self) -> int:
        return len(self._users)

    def find(self, user_id: str) -> History | None:
        """What a user did; None of a user who did nothing. About 20 µs with a million users."""
        user = self._users.find(user_id)
        if user is None:
            return None
        rows = slice(int(self._ends[user - 1]) if user else 0, int(self._ends[user]))
        return History(
            items=tuple(self._item_ids[code] for code in self._items[rows].tolist()),
            times=tuple(self._times[rows].tolist()),
            kinds=tuple(self._kinds[rows].tolist()),
        )


class Texts(Sequence[str]):
    """A sorted list of texts in two files: their UTF-8 bytes, and where each one ends."""

    def __init__(self, path: Path) -> None:
        self._ends = _map(_ends_of(path), "<i8")
        self._bytes = _map(path, "<u1").data

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:  # type: ignore[override]  # a slice is not needed
        return str(self._at(index), "utf-8")

    def find(self, text: str) -> int | None:
        """Where a text stands; None where it does not."""
        wanted, low, high = text.encode(), 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if bytes(self._at(middle)) < wanted:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self) and self._at(low) == wanted else None

    def _at(self, index: int) -> memoryview:
        return self._bytes[int(self._ends[index - 1]) if index else 0 : int(self._ends[index])]


class _TextWriter:
    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._bytes: BinaryIO = stack.enter_context(path.open("wb"))
        self._ends: BinaryIO = stack.enter_context(_ends_of(path).open("wb"))
        self._end = 0
        self.count = 0

    def write(self, texts: Sequence[str]) -> None:
        encoded = [text.encode() for text in texts]
        self._bytes.write(b"".join(encoded))
        ends = self._end + np.cumsum([len(one) for one in encoded])
        ends.astype("<i8").tofile(self._ends)
        self._end = int(ends[-1])
        self.count += len(encoded)


def _ends_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.ends")


def _map(path: Path, kind: str) -> npt.NDArray[np.int64]:
    if path.stat().st_size == 0:  # nothing cannot be mapped
        return np.zeros(0, dtype=kind)
    return np.memmap(path, dtype=kind, mode="r")


def _chunks(connection: duckdb.DuckDBPyConnection, sql: str) -> Iterator[dict[str, npt.NDArray[np.generic]]]:
    """The columns of an answer, some rows at a time."""
    result = connection.execute(sql)
    while len(frame := result.fetch_df_chunk(CHUNK)):
        yield {str(name): frame[name].to_numpy() for name in frame.columns}
