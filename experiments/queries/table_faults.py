"""Where in an analyst's file a rule is broken for the first time. Asked only after something was counted."""

from __future__ import annotations

from experiments.queries.query import Query
from experiments.queries.table import Measure, TableColumns, cell, quoted, value


def bad_cell_query(columns: TableColumns, measure: Measure) -> Query:
    """The first cell of a measure that has no value: ``row`` (1-based) and ``text``."""
    return Query(
        sql=f"""WITH cells AS (
  SELECT ROW_NUMBER() OVER () AS row, {cell(measure.column)} AS text FROM file
)
SELECT row, text FROM cells
WHERE text IS NOT NULL AND {value(columns, measure.reading, "text")} IS NULL
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


def changing_unit_query(columns: TableColumns, measure: Measure) -> Query:
    """A unit whose covariate is not constant: ``unit`` and two of its values."""
    parsed = value(columns, measure.reading, cell(measure.column))
    return Query(
        sql=f"""WITH rows AS (
  SELECT CAST({quoted(columns.unit)} AS VARCHAR) AS unit, {parsed} AS number FROM file
)
SELECT unit, MIN(number) AS low, MAX(number) AS high FROM rows
WHERE unit IS NOT NULL
GROUP BY unit
HAVING MIN(number) <> MAX(number)
ORDER BY unit LIMIT 1""",  # noqa: S608  (identifiers are checked and quoted)
        parameters={},
    )
