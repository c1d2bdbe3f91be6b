"""A Parquet file with one row per unit to sums in one scan, believing the file's types.

What was believed shows in the answer itself (:func:`doubts`). Where it was wrong the caller reads the file again with
:mod:`experiments.queries.table_moments`, which believes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from experiments.queries.query import Query
from experiments.queries.table import (
    Group,
    Reading,
    Storage,
    TableColumns,
    cap_values,
    capped_values,
    grouping,
    keys,
    lines,
    quoted,
    text_of,
)
from experiments.queries.table_cells import DUST, Believed, believed, raw
from experiments.queries.table_sums import Number, Sums

# n mean² ≤ STEADY Σ (a − mean)²: squares that were not shifted lose about one digit, no more.
STEADY = 10
WHOLE_SQUARES = 2.0**106  # below this sum of squares, every whole number among them is exact


def scannable(columns: TableColumns) -> bool:
    """Whether each row is a unit and the file's types say what every cell is."""
    return not (columns.unit or columns.rules or columns.currency) and all(
        believed(columns, measure, "x") for _, measure in columns.read
    )


def repeated_units_query(columns: TableColumns) -> Query:
    """A row where not every row is a unit of its own: one unit has two, or one row names none."""
    return Query(
        sql=f"""WITH units AS (SELECT {raw(columns, columns.unit)} AS unit FROM file)
SELECT unit FROM units GROUP BY unit HAVING COUNT(*) > 1 OR unit IS NULL LIMIT 1""",  # noqa: S608  (quoted)
        parameters={},
    )


def scan_query(columns: TableColumns, caps: Mapping[int, float], *, wide: bool) -> Query:
    """One row per arm as the file writes it, and per arm and segment.

    Unless ``wide`` the square of a large integer fails, which is told by the database.

    ``n`` units; of the measure in place i ``n{i}`` values, their sum ``s{i}`` and ``c{i}``, of their cubes; of two of
    one metric ``p{i}_{j}``, the sum of the products. Where every value is what it was believed to be, ``kept`` is ``n``
    and ``e{i}``, the sum of squared errors, next to nothing.
    """
    trusted = {i: _believed(columns, i, wide) for i, _ in columns.read}
    cells = [f"{quoted(columns.arm)} AS a", *(f"{quoted(one)} AS d{k}" for k, one in enumerate(columns.segments))]
    cells += [f"{quoted(measure.column)} AS x{i}" for i, measure in columns.read]
    values = [f"{one.value} AS v{i}" for i, one in trusted.items()]
    values += [f"{one.error} AS e{i}" for i, one in trusted.items() if one.error]
    steps = f"""cells AS (
  SELECT
    {lines(cells)}
  FROM file
), rows AS (
  SELECT
    *,
    {lines(values)}
  FROM cells
)"""  # noqa: S608  (identifiers are checked and quoted)
    if columns.capped:
        steps += f", limited AS (\n  SELECT *, {', '.join(capped_values(columns))} FROM rows\n)"  # noqa: S608
    sums = ["COUNT(*) AS n", *_sums(columns), *_evidence(trusted)]
    return Query(
        sql=f"""WITH {steps}
SELECT
  {lines([*keys(columns, text_of("a")), *sums], 2)}
FROM {"limited" if columns.capped else "rows"}
GROUP BY {grouping(columns, "a")}""",  # noqa: S608  (identifiers are checked and quoted)
        parameters=cap_values(columns, caps),
    )


def _believed(columns: TableColumns, position: int, wide: bool) -> Believed:
    found = believed(columns, columns.measures[position], f"x{position}", wide=wide)
    if found is None:  # pragma: no cover  (scannable says so before)
        raise ValueError(columns.measures[position].column)
    return found


def _sums(columns: TableColumns) -> Iterator[str]:
    for i, measure in enumerate(columns.measures):
        if not measure.capped:
            # of the column itself, which a Parquet file's statistics can answer
            yield f"COUNT({'v' if measure.reading is Reading.ANSWERED else 'x'}{i}) AS n{i}"
        yield f"SUM(v{i}) AS s{i}"
        if any(group.cubes and group.columns[0] == i for group in columns.groups):
            yield f"SUM(CAST(v{i} AS DOUBLE) * v{i} * v{i}) AS c{i}"
        for j in range(i, len(columns.measures)):
            # the square of 0 or 1 is itself
            if any({i, j} <= set(group.places) for group in columns.groups) and not (i == j and measure.indicator):
                yield f"SUM(v{i} * v{j}) AS p{i}_{j}"


def _evidence(trusted: Mapping[int, Believed]) -> Iterator[str]:
    """What :func:`doubts` reads. The statistics in a Parquet file answer most conditions without a look at a row."""
    wrong = " OR ".join(one.wrong for one in trusted.values() if one.wrong)
    if wrong:
        yield f"COUNT(CASE WHEN {wrong} THEN NULL ELSE 1 END) AS kept"
    for i, one in trusted.items():
        if one.error:
            yield f"SUM(e{i}) AS e{i}"


def merged(rows: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
    """The rows of equal arm, dimension and segment added up: texts that differ in blanks are the same."""
    found: dict[tuple[object, object, object], dict[str, object]] = {}
    for row in rows:
        key = (row["arm"], row.get("dimension"), row.get("segment"))
        total = found.setdefault(key, {})
        for name, number in row.items():
            if number is None or isinstance(number, str):
                total.setdefault(name, number)
            elif name != "dimension":
                total[name] = _number(total.get(name)) + _number(number)
            else:
                total[name] = number
    return list(found.values())


def doubts(columns: TableColumns, rows: Sequence[Mapping[str, object]]) -> bool:
    """Whether anything that was believed is not so, or sums may have lost digits."""
    return any(_doubtful(columns, row) for row in rows)


def _doubtful(columns: TableColumns, row: Mapping[str, object]) -> bool:
    n = row["n"]
    if row.get("kept", n) != n or not all(_number(row.get(f"e{i}")) <= DUST**2 for i, _ in columns.read):
        return True
    for group in columns.groups:
        if len(group.places) > 1 and any(_count(columns, row, i) != n for i in group.places):
            return True
    return any(_unsteady(columns, row, i) for i in range(len(columns.measures)))


def _unsteady(columns: TableColumns, row: Mapping[str, object], position: int) -> bool:
    """Whether a sum of squares overflowed or is much larger than the spread; whole numbers lose nothing."""
    measure, n = columns.measures[position], _count(columns, row, position)
    if measure.indicator or n < 2:
        return False
    total, squares = _number(row[f"s{position}"]), _number(row[f"p{position}_{position}"])
    if not math.isfinite(squares) or (measure.whole and squares >= WHOLE_SQUARES):
        return True
    sums = Sums(n=n, shift=(0,), sums=(total,), products=((squares,),))
    return not sums.exact and (1 + STEADY) * total * total / n > STEADY * squares


def sums_of(row: Mapping[str, object], columns: TableColumns, position: int) -> Sums:
    """The sums of one metric (by its position in ``groups``) in the arm of this row."""
    group: Group = columns.groups[position]
    first = group.columns[0]
    whole = columns.measures[first].whole or columns.storage(columns.measures[first].column) is Storage.INTEGER
    total = _number(row[f"s{first}"])
    return Sums(
        n=_count(columns, row, first),
        shift=(0,) * len(group.places),
        sums=tuple(_number(row[f"s{i}"]) for i in group.places),
        products=tuple(tuple(_product(columns, row, i, j) for j in group.places) for i in group.places),
        cubes=float(_number(row.get(f"c{first}"))) if group.cubes else math.nan,
        total=int(total) if whole and math.isfinite(total) else None,
    )


def _count(columns: TableColumns, row: Mapping[str, object], position: int) -> int:
    return int(str(row[f"n{dict(columns.capped).get(position, position)}"]))


def _product(columns: TableColumns, row: Mapping[str, object], i: int, j: int) -> Number:
    if i == j and columns.measures[i].indicator:
        return _number(row[f"s{i}"])
    return _number(row[f"p{min(i, j)}_{max(i, j)}"])


def _number(value: object) -> Number:
    if value is None:
        return 0
    return value if isinstance(value, int | float) else int(str(value))
