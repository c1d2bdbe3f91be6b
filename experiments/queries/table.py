"""What the queries over an analyst's file are told: which column is what, and which of them belong to one metric.

``file`` is a relation over the CSV or Parquet file. Columns are named by :class:`TableColumns`, whose names must have
been checked against the file's; they are quoted here. Values are only ever parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from experiments.queries.query import Value


class Reading(StrEnum):
    """How a cell becomes a value, and the rows of a unit one value."""

    BINARY = "binary"  # 0 or 1; any
    NUMBER = "number"  # sum
    MONEY = "money"  # minor units; sum
    SCORE = "score"  # a number; mean
    ANSWERED = "answered"  # 1 where a cell is not empty; any
    COVARIATE = "covariate"  # a number that is constant within a unit


class Storage(StrEnum):
    """How the file holds a column. Text must be read; the others are numbers already."""

    TEXT = "text"
    LOGICAL = "logical"
    INTEGER = "integer"  # of at most 64 bits
    DECIMAL = "decimal"
    SINGLE = "single"
    DOUBLE = "double"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One column and how it is read. ``capped`` limits a unit's value to the parameter ``cap_<position>``."""

    column: str
    reading: Reading
    capped: bool = False

    @property
    def whole(self) -> bool:
        """Whether its values are whole numbers, which add up exactly."""
        return self.reading in (Reading.BINARY, Reading.ANSWERED, Reading.MONEY)

    @property
    def indicator(self) -> bool:
        """Whether its values are 0 and 1."""
        return self.reading in (Reading.BINARY, Reading.ANSWERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The columns of one metric, by position among the measures: (y,) or (y, v), and the covariates.

    A unit counts where it has all of ``columns``. ``cubes`` asks for what the skewness of y needs.
    """

    columns: tuple[int, ...]
    covariates: tuple[int, ...] = ()
    cubes: bool = False

    @property
    def places(self) -> tuple[int, ...]:
        """All of them, the covariates last."""
        return self.columns + self.covariates


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """``column`` must be the paired value wherever ``given`` is the pair's first."""

    column: str
    given: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumns:
    """Which columns of the file are what. A capped measure comes after the same measure without its cap.

    ``storages`` are those of the columns that are not text, ``scales`` the decimals of those that are decimal;
    ``segments`` are columns by which units are told apart.
    """

    arm: str
    unit: str
    measures: tuple[Measure, ...]
    groups: tuple[Group, ...]
    segments: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    storages: Mapping[str, Storage] = field(default_factory=dict)
    scales: Mapping[str, int] = field(default_factory=dict)
    currency: str = ""
    decimals: int = 2
    allow_negative: bool = False

    def storage(self, column: str) -> Storage:
        """How the file holds this column."""
        return self.storages.get(column, Storage.TEXT)

    @property
    def read(self) -> tuple[tuple[int, Measure], ...]:
        """The measures that are read from cells, with their positions; the capped ones come from these."""
        return tuple((i, measure) for i, measure in enumerate(self.measures) if not measure.capped)

    @property
    def capped(self) -> tuple[tuple[int, int], ...]:
        """(position, position of the measure without its cap) of every capped measure."""
        plain = {(measure.column, measure.reading): i for i, measure in self.read}
        return tuple(
            (i, plain[measure.column, measure.reading]) for i, measure in enumerate(self.measures) if measure.capped
        )


def quoted(column: str) -> str:
    """A column's name as an identifier."""
    return '"' + column.replace('"', '""') + '"'


def cell(column: str) -> str:
    """The text of a cell, NULL where it is blank."""
    return text_of(quoted(column))


def text_of(expression: str) -> str:
    """A value as text, NULL where it is blank."""
    return f"NULLIF(TRIM(CAST({expression} AS VARCHAR)), '')"


def capped_values(columns: TableColumns) -> Iterator[str]:
    """The capped measures, from those without a cap. NULL stays NULL, which LEAST would not keep."""
    for i, plain in columns.capped:
        yield f"CASE WHEN v{plain} > $cap_{i} THEN $cap_{i} ELSE v{plain} END AS v{i}"


def cap_values(columns: TableColumns, caps: Mapping[int, float]) -> dict[str, Value]:
    """The parameters of :func:`capped_values`, from the caps by position."""
    return {f"cap_{i}": caps[i] for i, _ in columns.capped}


def keys(columns: TableColumns, arm: str) -> list[str]:
    """The columns that tell the rows of an answer apart: ``arm`` and, with segments, ``dimension`` and ``segment``.

    ``dimension`` is the position of the column of segments, -1 for all units of the arm.
    """
    if not columns.segments:
        return [f"{arm} AS arm"]
    places = range(len(columns.segments))
    dimension = " ".join(f"WHEN GROUPING(d{k}) = 0 THEN {k}" for k in places)
    segment = " ".join(f"WHEN GROUPING(d{k}) = 0 THEN {text_of(f'd{k}')}" for k in places)
    return [f"{arm} AS arm", f"CASE {dimension} ELSE -1 END AS dimension", f"CASE {segment} END AS segment"]


def grouping(columns: TableColumns, arm: str) -> str:
    """By arm, and by arm and each column of segments."""
    if not columns.segments:
        return arm
    return f"GROUPING SETS (({arm}), {', '.join(f'({arm}, d{k})' for k in range(len(columns.segments)))})"


def lines(columns: Sequence[str], indent: int = 4) -> str:
    """Expressions, one a line."""
    return (",\n" + " " * indent).join(columns)
