"""SQL as a value: a text in DuckDB's dialect and the parameters it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

Value = str | int | float | datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A statement. Values are only ever in ``parameters`` (``$name`` in the text)."""

    sql: str
    parameters: Mapping[str, Value]


class Warehouse(Protocol):
    """Whatever can run a query over an ``events`` relation with the columns of docs/events.md."""

    def query(self, sql: str, parameters: Mapping[str, Value]) -> Sequence[Mapping[str, object]]:
        """The rows of the answer, each a mapping from column name to value."""
        ...
