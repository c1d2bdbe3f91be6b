"""An analyst's file to sums, whatever its cells hold: ``cells → rows → units → moments``, one row per arm.

Where the file names its units, the first steps fill the table ``units`` (:func:`units_query`) and the others read it;
otherwise each row is a unit and every query starts from the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from experiments.queries.query import Query, Value
from experiments.queries.table import (
    Group,
    Reading,
    TableColumns,
    cap_values,
    capped_values,
    cell,
    grouping,
    keys,
    lines,
)
from experiments.queries.table_cells import raw, value
from experiments.queries.table_sums import Number, Sums

SAMPLE = 1_000  # units whose mean shifts a column before it is squared


def checks_query(columns: TableColumns, most_arms: int) -> Query:
    """What is in the file, before anything is computed: one row per arm (NULL where it is empty), the largest first.

    Counts rows, rows without a unit, rows that break a rule (``unexpected``), rows that fit each pair of a rule and
    bad cells of each measure. At most ``most_arms`` + 1 rows come back.
    """
    return Query(
        sql=f"""WITH {_rows(columns)}
SELECT
  arm,
  {lines(_checks(columns), 2)}
FROM rows
GROUP BY arm
ORDER BY rows DESC, arm
LIMIT {most_arms + 1}""",  # noqa: S608  (values are parameters; identifiers are checked and quoted)
        parameters=_values(columns),
    )


def checked_on_the_way(columns: TableColumns) -> bool:
    """Whether :func:`moments_query` answers what :func:`checks_query` asks: all rows are units."""
    return not columns.unit and not columns.rules


def units_query(columns: TableColumns) -> Query:
    """One row per unit, as a new table.

    The arm is NULL for units that are left out: without a row that fits the rules (``kept`` is 0), or in two arms.
    ``moved`` says whether a unit was in two arms before the rules were applied; ``c{i}`` and ``e{k}`` whether a
    covariate or a segment is not constant within it.
    """
    fits = " FILTER (WHERE expected)" if columns.rules else ""
    units = [f"CASE WHEN MIN(arm){fits} = MAX(arm){fits} THEN MIN(arm){fits} END AS arm"]
    units += [f"COUNT(*){fits} AS kept", "MIN(arm) <> MAX(arm) AS moved"]
    for k in range(len(columns.segments)):
        units += [f"MIN(d{k}){fits} AS d{k}", f"MIN(d{k}){fits} <> MAX(d{k}){fits} AS e{k}"]
    functions = {
        Reading.BINARY: "MAX",
        Reading.ANSWERED: "MAX",
        Reading.COVARIATE: "MIN",
        Reading.SCORE: "AVG",
    }
    for i, measure in columns.read:
        units += [f"{functions.get(measure.reading, 'SUM')}(v{i}){fits} AS v{i}"]
        units += [f"MIN(v{i}){fits} <> MAX(v{i}){fits} AS c{i}"] if measure.reading is Reading.COVARIATE else []
    return Query(
        sql=f"""CREATE TEMP TABLE units AS
WITH {_rows(columns)}
SELECT
  {lines(units, 2)}
FROM rows
WHERE unit IS NOT NULL
GROUP BY unit""",  # noqa: S608  (values are parameters; identifiers are checked and quoted)
        parameters=_values(columns),
    )


def shifts_query(columns: TableColumns, caps: Mapping[int, float]) -> Query:
    """The mean ``s{i}`` of each measure: of all units where there is a table of them, otherwise of the first ones."""
    means = [f"AVG(v{i}) AS s{i}" for i in range(len(columns.measures))]
    limit = "" if columns.unit else f" LIMIT {SAMPLE}"
    sql = f"SELECT {', '.join(means)} FROM (SELECT * FROM {_source(columns)}{limit})"  # noqa: S608  (names of ours)
    return _over_units(columns, sql, cap_values(columns, caps))


def caps_query(columns: TableColumns, quantiles: Mapping[int, float]) -> Query:
    """The cap ``v{i}`` of each measure: the quantile of the values that are not 0, of the units of all arms together.

    The smallest value that at least this share of them does not exceed; NULL where all are 0.
    """
    found = [f"QUANTILE_DISC(v{i}, $q_{i}) FILTER (WHERE v{i} <> 0 AND arm IS NOT NULL) AS v{i}" for i in quantiles]
    sql = f"SELECT {', '.join(found)} FROM {_source(columns, limited=False)}"  # noqa: S608  (names of ours)
    return _over_units(columns, sql, {f"q_{i}": q for i, q in quantiles.items()}, limited=False)


def values_query(columns: TableColumns, position: int) -> Query:
    """Every distinct value of one measure and how many units of an arm have it: ``arm``, ``value``, ``n``."""
    return _over_units(
        columns,
        f"""SELECT arm, CAST(v{position} AS DOUBLE) AS value, COUNT(*) AS n
FROM {_source(columns, limited=False)}
WHERE v{position} IS NOT NULL AND arm IS NOT NULL
GROUP BY arm, value
ORDER BY arm, value""",  # noqa: S608  (a number of ours)
        {},
        limited=False,
    )


def moments_query(columns: TableColumns, shifts: Mapping[int, Number], caps: Mapping[int, float]) -> Query:
    """The sums behind every metric: one row per arm, and per arm and segment.

    ``gone`` counts the units without a row that fits the rules, ``moved`` those that were in two arms before the rules
    were applied. Where all rows are units the counts of :func:`checks_query` are beside them.
    """
    sums = ["COUNT(*) AS n"]
    if columns.unit:
        sums += ["COUNT(*) FILTER (WHERE kept = 0) AS gone", "COUNT(*) FILTER (WHERE moved) AS moved"]
        sums += [f"COUNT(*) FILTER (WHERE c{i}) AS c{i}" for i, one in columns.read if one.reading is Reading.COVARIATE]
        sums += [f"COUNT(*) FILTER (WHERE e{k}) AS e{k}" for k in range(len(columns.segments))]
    if checked_on_the_way(columns):
        sums += _checks(columns)
    for position, group in enumerate(columns.groups):
        sums += _sums(columns, position, group)
    used = {i for group in columns.groups if not _all_whole(columns, group) for i in group.places}
    return _over_units(
        columns,
        f"""SELECT
  {lines([*keys(columns, "arm"), *sums], 2)}
FROM {_source(columns)}
GROUP BY {grouping(columns, "arm")}
ORDER BY ALL""",  # noqa: S608  (numbers of ours)
        cap_values(columns, caps) | {f"shift_{i}": shifts[i] for i in sorted(used) if not _indicator(columns, i)},
    )


def sums_of(row: Mapping[str, object], columns: TableColumns, position: int, *, shifts: Mapping[int, Number]) -> Sums:
    """The sums of one metric (by its position in ``groups``) in the arm of this row."""
    group = columns.groups[position]
    whole = _all_whole(columns, group)
    number = _integer if whole else _float
    size = range(len(group.places))
    total = row.get(f"g{position}_total")
    return Sums(
        n=int(str(row[f"g{position}_n"])),
        shift=tuple(0 if whole or _indicator(columns, i) else shifts[i] for i in group.places),
        sums=tuple(number(row[f"g{position}_{i}"]) for i in size),
        products=tuple(tuple(number(row[f"g{position}_{min(i, j)}_{max(i, j)}"]) for j in size) for i in size),
        cubes=_float(row.get(f"g{position}_cubes")) if group.cubes else float("nan"),
        total=_integer(row[f"g{position}_0"]) if whole else None if total is None else _integer(total),
    )


def _rows(columns: TableColumns) -> str:
    """``cells`` and ``rows`` (with values), one row each per row of the file."""
    cells = [f"{cell(columns.arm)} AS arm"]
    cells += [f"{raw(columns, columns.unit)} AS unit"] if columns.unit else []
    cells += [f"{cell(column)} AS d{k}" for k, column in enumerate(columns.segments)]
    cells += [f"{raw(columns, measure.column)} AS x{i}" for i, measure in columns.read]
    cells += [
        f"{cell(column)} AS {name}_{i}"
        for i, rule in enumerate(columns.rules)
        for name, column in (("given", rule.given), ("held", rule.column))
    ]
    cells += [f"{cell(columns.currency)} AS currency"] if columns.currency else []
    values = [f"{value(columns, measure, f'x{i}')} AS v{i}" for i, measure in columns.read]
    values += [f"{_expected(columns)} AS expected"] if columns.rules else []
    return f"""cells AS (
  SELECT
    {lines(cells)}
  FROM file
), rows AS (
  SELECT
    *,
    {lines(values)}
  FROM cells
)"""  # noqa: S608  (values are parameters; identifiers are checked and quoted)


def _source(columns: TableColumns, *, limited: bool = True) -> str:
    """The relation of the units that are compared, after the steps of :func:`_over_units`."""
    return "limited" if limited and columns.capped else "units"


def _over_units(columns: TableColumns, sql: str, parameters: Mapping[str, Value], *, limited: bool = True) -> Query:
    """The steps up to the units, then ``sql``."""
    steps = []
    if not columns.unit:
        expected = "\n  WHERE expected" if columns.rules else ""
        # the rows stream, so nothing is kept in memory
        steps += [_rows(columns), f"units AS NOT MATERIALIZED (\n  SELECT * FROM rows{expected}\n)"]  # noqa: S608
    if limited and columns.capped:
        values = ", ".join(capped_values(columns))
        steps += [f"limited AS NOT MATERIALIZED (\n  SELECT *, {values} FROM units\n)"]  # noqa: S608
    prefix = f"WITH {', '.join(steps)}\n" if steps else ""
    own = {} if columns.unit else _values(columns)
    return Query(sql=prefix + sql, parameters=own | dict(parameters))


def _checks(columns: TableColumns) -> list[str]:
    counts = ["COUNT(*) AS rows", f"{'COUNT(*) FILTER (WHERE unit IS NULL)' if columns.unit else '0'} AS without_unit"]
    counts += [f"{'COUNT(*) FILTER (WHERE NOT expected)' if columns.rules else '0'} AS unexpected"]
    counts += [f"COUNT(*) FILTER (WHERE {fits}) AS {name}" for name, fits in _pairs(columns)]
    counts += [
        f"COUNT(x{i}) - COUNT(v{i}) AS bad_{i}" for i, one in columns.read if one.reading is not Reading.ANSWERED
    ]
    return counts + (_currencies(columns) if columns.currency else [])


def _sums(columns: TableColumns, position: int, group: Group) -> Iterator[str]:
    """n, Σ a and Σ a·b over the units that have all columns of a metric; a is shifted unless all are whole numbers.

    An unknown covariate counts as its shift, which is its average: a number that is the same for every arm.
    """
    whole = _all_whole(columns, group)
    present = " AND ".join(f"v{i} IS NOT NULL" for i in group.columns)
    only = f" FILTER (WHERE {present})" if len(group.places) > 1 else ""
    terms = [_term(columns, i, whole=whole, filled=i in group.covariates) for i in group.places]
    yield f"COUNT(*) FILTER (WHERE {present}) AS g{position}_n"
    for i, term in enumerate(terms):
        yield f"SUM({term}){only} AS g{position}_{i}"
        for j in range(i, len(terms)):
            yield f"SUM({term} * {terms[j]}){only} AS g{position}_{i}_{j}"
    if group.cubes:
        first = _term(columns, group.columns[0], whole=False, filled=False, shifted=not whole)
        yield f"SUM({first} * {first} * {first}) AS g{position}_cubes"
    if not whole and columns.measures[group.columns[0]].whole:
        total = _term(columns, group.columns[0], whole=True, filled=False)
        yield f"SUM({total}){only} AS g{position}_total"


def _term(columns: TableColumns, position: int, *, whole: bool, filled: bool, shifted: bool = True) -> str:
    if whole:
        return f"CAST(v{position} AS DECIMAL(19, 0))"  # 19 digits hold every BIGINT, and 38 its square
    number = f"CAST(v{position} AS DOUBLE)"
    if shifted and not _indicator(columns, position):
        number = f"({number} - $shift_{position})"
    return f"COALESCE({number}, 0)" if filled else number


def _all_whole(columns: TableColumns, group: Group) -> bool:
    return all(columns.measures[i].whole for i in group.places)


def _indicator(columns: TableColumns, position: int) -> bool:
    return columns.measures[position].indicator


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
    money = [f"v{i} <> 0" for i, measure in columns.read if measure.reading is Reading.MONEY]
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
