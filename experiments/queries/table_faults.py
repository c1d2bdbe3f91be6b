"""Where in an analyst's file a rule is broken for the first time. Asked only after something was counted."""

from __future__ import annotations

from experiments.queries.query import Query
from experiments.queries.table import Measure, TableColumns, cell, quoted
from experiments.queries.table_cells import raw, value


def bad_cell_query(columns: TableColumns, measure: Measure) -> Query:
    """The first cell of a measure that has no value: ``row`` (1-based) and ``text``."""
    return Query(
        sql=f"""WITH cells AS (
  SELECT ROW_NUMBER() OVER () AS row, {raw(columns, measure.column)} AS x FROM file
)
SELECT row, CAST(x AS VARCHAR) AS text FROM cells
WHERE x IS NOT NULL AND {value(columns, measure, "x")} IS NULL
ORDER BY row LIMIT 1""",  # noqa: S608  (identifiers are checked and quoted)
        parameters={},
    )


def empty_cell_query(column: str) -> Query:
    """The first row whose cell in this column is blank."""
    return Query(
        sql=f"""WITH cells AS (
  SELECT ROW_NUMBER() OVER () AS row, {cell(column)} AS text FROM file
)
SELECT row FROM cells WHERE text IS NULL ORDER BY row LIMIT 1""",  # noqa: S608  (identifiers are checked and quoted)
        parameters={},
    )


def other_value_query(column: str, first: str) -> Query:
    """The first row whose cell in this column holds something else than ``first``: ``row`` and ``text``."""
    return Query(
        sql=f"""WITH cells AS (
  SELECT ROW_NUMBER() OVER () AS row, {cell(column)} AS text FROM file
)
SELECT row, text FROM cells WHERE text <> $first ORDER BY row LIMIT 1""",  # noqa: S608
        parameters={"first": first},
    )


def distinct_query(column: str, *, rows: int, most: int) -> Query:
    """The different texts in the first rows of a column, at most ``most`` + 1 of them."""
    return Query(
        sql=f"SELECT {cell(column)} AS text FROM (SELECT * FROM file LIMIT {rows}) GROUP BY text LIMIT {most + 1}",  # noqa: S608
        parameters={},
    )


def changing_unit_query(columns: TableColumns, measure: Measure) -> Query:
    """A unit whose covariate is not constant: ``unit`` and two of its values."""
    return _changing_unit(columns, value(columns, measure, raw(columns, measure.column)))


def changing_segment_query(columns: TableColumns, column: str) -> Query:
    """A unit that is in two segments of one column: ``unit`` and two of its segments."""
    return _changing_unit(columns, cell(column))


def _changing_unit(columns: TableColumns, value: str) -> Query:
    return Query(
        sql=f"""WITH rows AS (
  SELECT CAST({quoted(columns.unit)} AS VARCHAR) AS unit, {value} AS value FROM file
)
SELECT unit, MIN(value) AS low, MAX(value) AS high FROM rows
WHERE unit IS NOT NULL
GROUP BY unit
HAVING MIN(value) <> MAX(value)
ORDER BY unit LIMIT 1""",  # noqa: S608  (identifiers are checked and quoted)
        parameters={},
    )
