"""An analyst's file to moments: ``cells → rows → units → shifts → moments``, one row per arm.

``file`` is a relation over the CSV or Parquet file. Columns are named by :class:`TableColumns`, whose names must have
been checked against the file's; they are quoted here. Values are only ever parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from experiments.queries.query import Query, Value
from experiments.stats.moments import Moments

SAMPLE = 1_000  # units whose mean shifts a column before it is squared
MOST_DIGITS = 15  # before the point, of an amount of money


class Reading(StrEnum):
    """How the text of a cell becomes a value, and the rows of a unit one value."""

    BINARY = "binary"  # 0 or 1; any
    NUMBER = "number"  # sum
    MONEY = "money"  # minor units; sum
    COVARIATE = "covariate"  # a number that is constant within a unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One column and how it is read."""

    column: str
    reading: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """``column`` must be the paired value wherever ``given`` is the pair's first."""

    column: str
    given: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumns:
    """Which columns of the file are what. ``groups`` are the columns of each metric, by position in ``measures``."""

    arm: str
    unit: str
    measures: tuple[Measure, ...]
    groups: tuple[tuple[int, ...], ...]
    rules: tuple[Rule, ...] = ()
    currency: str = ""
    decimals: int = 2
    allow_negative: bool = False


def quoted(column: str) -> str:
    """A column's name as an identifier."""
    return '"' + column.replace('"', '""') + '"'


def cell(column: str) -> str:
    """The text of a cell, NULL where it is blank."""
    return f"NULLIF(TRIM(CAST({quoted(column)} AS VARCHAR)), '')"


def value(columns: TableColumns, reading: Reading, text: str) -> str:
    """The value of a cell, NULL where the text breaks the rule of its reading."""
    if reading is Reading.BINARY:
        yes, no = "'1', '1.0', 'true'", "'0', '0.0', 'false'"
        return f"CASE WHEN LOWER({text}) IN ({yes}) THEN 1 WHEN LOWER({text}) IN ({no}) THEN 0 END"
    if reading is Reading.MONEY:
        # twelve decimals are read, so what binary fractions leave behind (3.3000000000000003) is rounded away
        minor = f"TRY_CAST({text} AS DECIMAL({MOST_DIGITS + 12}, 12)) * CAST({10**columns.decimals} AS DECIMAL(4, 0))"
        positive = "" if columns.allow_negative else f" AND {minor} >= 0"
        return f"CASE WHEN {minor} % 1 = 0{positive} THEN CAST({minor} AS BIGINT) END"
    return f"CASE WHEN ISFINITE(TRY_CAST({text} AS DOUBLE)) THEN TRY_CAST({text} AS DOUBLE) END"


def checks_query(columns: TableColumns, most_arms: int) -> Query:
    """What is in the file, before anything is computed: one row per arm (NULL where it is empty), the largest first.

    Counts rows, rows without a unit, rows that break a rule (``unexpected``), rows that fit each pair of a rule and
    bad cells of each measure. At most ``most_arms`` + 1 rows come back.
    """
    counts = ["COUNT(*) AS rows", f"{'COUNT(*) FILTER (WHERE unit IS NULL)' if columns.unit else '0'} AS without_unit"]
    counts += ["COUNT(*) FILTER (WHERE NOT expected) AS unexpected"]
    counts += [f"COUNT(*) FILTER (WHERE {fits}) AS {name}" for name, fits in _pairs(columns)]
    counts += [
        f"COUNT(*) FILTER (WHERE x{i} IS NOT NULL AND v{i} IS NULL) AS bad_{i}" for i in range(len(columns.measures))
    ]
    if columns.currency:
        counts += _currencies(columns)
    return Query(
        sql=f"""WITH {_rows(columns, pairs=True)}
SELECT
  arm,
  {_lines(counts, 2)}
FROM rows
GROUP BY arm
ORDER BY rows DESC, arm
LIMIT {most_arms + 1}""",  # noqa: S608  (values are parameters; identifiers are checked and quoted)
        parameters=_values(columns),
    )


def moments_query(columns: TableColumns) -> Query:
    """The sums behind every metric: one row per arm.

    The arm is NULL for units that are left out: ``gone`` counts those without a row that fits the rules, the others
    were in two arms. ``moved`` counts the units that were in two arms before the rules were applied.
    """
    floats = [i for i in range(len(columns.measures)) if not _exact(columns, i)]
    shifts = ["COUNT(*) AS sampled", *(f"COALESCE(AVG(v{i}), 0) AS s{i}" for i in floats)]
    sums = ["COUNT(*) AS n", "COUNT(*) FILTER (WHERE kept = 0) AS gone", "COUNT(*) FILTER (WHERE moved) AS moved"]
    for position, group in enumerate(columns.groups):
        sums += _sums(columns, position, group)
    sums += [
        f"COUNT(*) FILTER (WHERE c{i}) AS v{i}_changes"
        for i, measure in enumerate(columns.measures)
        if measure.reading is Reading.COVARIATE
    ]
    return Query(
        sql=f"""WITH {_rows(columns)}, {_units(columns)}, shifts AS (
  SELECT
    {_lines(shifts)}
  FROM (SELECT * FROM units WHERE arm IS NOT NULL LIMIT {SAMPLE})
), moments AS (
  SELECT
    arm,
    {_lines(sums)}
  FROM units, shifts
  GROUP BY arm
)
SELECT * FROM moments ORDER BY arm""",  # noqa: S608  (values are parameters; identifiers are checked and quoted)
        parameters=_values(columns),
    )


def moments_of(row: Mapping[str, object], columns: TableColumns, position: int) -> Moments:
    """The moments of one metric (by its position in ``groups``) in the arm of this row."""
    group = columns.groups[position]
    n = int(str(row[f"g{position}_n"]))
    pairs = [[f"g{position}_{min(i, j)}_{max(i, j)}" for j in range(len(group))] for i in range(len(group))]
    if all(_exact(columns, i) for i in group):
        return Moments.from_integer_sums(
            n=n,
            sums=[_integer(row[f"g{position}_{i}"]) for i in range(len(group))],
            products=[[_integer(row[name]) for name in names] for names in pairs],
        )
    return Moments.from_shifted_sums(
        n=n,
        shift=[_float(row[f"g{position}_{i}_shift"]) for i in range(len(group))],
        sums=[_float(row[f"g{position}_{i}"]) for i in range(len(group))],
        products=[[_float(row[name]) for name in names] for names in pairs],
    )


def exact_sum(row: Mapping[str, object], columns: TableColumns, position: int) -> int | None:
    """The sum of a metric's values in the arm of this row, None where it was added up in floating point."""
    group = columns.groups[position]
    return _integer(row[f"g{position}_0"]) if all(_exact(columns, i) for i in group) else None


def _rows(columns: TableColumns, *, pairs: bool = False) -> str:
    """``cells`` (texts) and ``rows`` (values), one row each per row of the file."""
    texts = [f"{cell(columns.arm)} AS arm"]
    texts += [f"{cell(columns.unit)} AS unit"] if columns.unit else []
    texts += [f"{cell(measure.column)} AS x{i}" for i, measure in enumerate(columns.measures)]
    texts += [
        f"{cell(column)} AS {name}_{i}"
        for i, rule in enumerate(columns.rules)
        for name, column in (("given", rule.given), ("held", rule.column))
    ]
    texts += [f"{cell(columns.currency)} AS currency"] if columns.currency and pairs else []
    values = [f"{value(columns, measure.reading, f'x{i}')} AS v{i}" for i, measure in enumerate(columns.measures)]
    return f"""cells AS (
  SELECT
    {_lines(texts)}
  FROM file
), rows AS (
  SELECT
    {"*" if pairs else "unit, arm" if columns.unit else "arm"},
    {_lines([*values, f"{_expected(columns)} AS expected"])}
  FROM cells
)"""  # noqa: S608  (values are parameters; identifiers are checked and quoted)


def _units(columns: TableColumns) -> str:
    if not columns.unit:
        units = ["arm", "1 AS kept", "FALSE AS moved"]
        units += [f"v{i}" for i in range(len(columns.measures))]
        units += [f"FALSE AS c{i}" for i, one in enumerate(columns.measures) if one.reading is Reading.COVARIATE]
        # the sample stops early and the rest streams, so nothing is kept in memory
        return f"units AS NOT MATERIALIZED (\n  SELECT\n    {_lines(units)}\n  FROM rows\n  WHERE expected\n)"
    fits = " FILTER (WHERE expected)" if columns.rules else ""
    units = [f"CASE WHEN MIN(arm){fits} = MAX(arm){fits} THEN MIN(arm){fits} END AS arm"]
    units += [f"COUNT(*){fits} AS kept", "MIN(arm) <> MAX(arm) AS moved"]
    for i, measure in enumerate(columns.measures):
        function = {Reading.BINARY: "MAX", Reading.COVARIATE: "MIN"}.get(measure.reading, "SUM")
        units += [f"{function}(v{i}){fits} AS v{i}"]
        units += [f"MIN(v{i}){fits} <> MAX(v{i}){fits} AS c{i}"] if measure.reading is Reading.COVARIATE else []
    return (
        f"units AS MATERIALIZED (\n  SELECT\n    {_lines(units)}\n  FROM rows\n"
        "  WHERE unit IS NOT NULL\n  GROUP BY unit\n)"
    )


def _sums(columns: TableColumns, position: int, group: Sequence[int]) -> Iterator[str]:
    """n, Σ a and Σ a·b over the units that have all values of a metric; a is shifted unless it is exact."""
    exact = all(_exact(columns, i) for i in group)
    present = " AND ".join(f"v{i} IS NOT NULL" for i in group)
    only = f" FILTER (WHERE {present})" if len(group) > 1 else ""
    # 19 digits hold every BIGINT, and 38 its square
    terms = [f"CAST(v{i} AS DECIMAL(19, 0))" if exact else f"(v{i} - s{i})" for i in group]
    yield f"COUNT(*) FILTER (WHERE {present}) AS g{position}_n"
    for i, term in enumerate(terms):
        if not exact:
            yield f"MIN(s{group[i]}) AS g{position}_{i}_shift"
        yield f"SUM({term}){only} AS g{position}_{i}"
        for j in range(i, len(terms)):
            yield f"SUM({term} * {terms[j]}){only} AS g{position}_{i}_{j}"


def _exact(columns: TableColumns, position: int) -> bool:
    return columns.measures[position].reading in (Reading.BINARY, Reading.MONEY)


def _expected(columns: TableColumns) -> str:
    rules = []
    for i, rule in enumerate(columns.rules):
        cases = " ".join(f"WHEN $given_{i}_{j} THEN held_{i} = $held_{i}_{j}" for j in range(len(rule.pairs)))
        rules.append(f"COALESCE(CASE given_{i} {cases} ELSE TRUE END, FALSE)")
    return " AND ".join(rules) or "TRUE"


def _pairs(columns: TableColumns) -> Iterator[tuple[str, str]]:
    for i, rule in enumerate(columns.rules):
        for j in range(len(rule.pairs)):
            yield f"fits_{i}_{j}", f"given_{i} = $given_{i}_{j} AND held_{i} = $held_{i}_{j}"


def _currencies(columns: TableColumns) -> list[str]:
    """The first and last currency of rows that hold money, and how many such rows name none."""
    money = [f"v{i} <> 0" for i, measure in enumerate(columns.measures) if measure.reading is Reading.MONEY]
    holds = " OR ".join(money) or "FALSE"
    return [
        f"MIN(currency) FILTER (WHERE {holds}) AS currency_low",
        f"MAX(currency) FILTER (WHERE {holds}) AS currency_high",
        f"COUNT(*) FILTER (WHERE ({holds}) AND currency IS NULL) AS without_currency",
    ]


def _values(columns: TableColumns) -> dict[str, Value]:
    return {
        f"{name}_{i}_{j}": text
        for i, rule in enumerate(columns.rules)
        for j, pair in enumerate(rule.pairs)
        for name, text in zip(("given", "held"), pair, strict=True)
    }


def _integer(number: object) -> int:
    return 0 if number is None else int(str(number))


def _float(number: object) -> float:
    return 0.0 if number is None else float(str(number))


def _lines(columns: Sequence[str], indent: int = 4) -> str:
    return (",\n" + " " * indent).join(columns)
