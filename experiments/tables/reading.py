"""An opened file to sums: in one scan where the file's types can be believed, otherwise checked cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from experiments.queries.table import TableColumns
from experiments.queries.table_faults import distinct_query
from experiments.queries.table_moments import (
    caps_query,
    checked_on_the_way,
    checks_query,
    moments_query,
    shifts_query,
    sums_of,
    units_query,
    values_query,
)
from experiments.queries.table_scan import doubts, merged, repeated_units_query, scan_query, scannable
from experiments.queries.table_scan import sums_of as scanned_sums_of
from experiments.queries.table_sums import Number, Sums
from experiments.stats.counts import Counts
from experiments.tables.checks import (
    MOST_ARMS,
    MOST_SEGMENTS,
    Checked,
    check_constant,
    check_file,
    check_segments,
)
from experiments.tables.columns import Layout
from experiments.tables.engine import Engine, Row, TooLarge
from experiments.tables.spec import TableSpec

ByArm = Mapping[str, Row]
NO_SEGMENT = "(none)"
FIRST_ROWS = 100_000  # a column that tells too many segments apart is found out here, before they are added up


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """What was read: the rows of sums by arm, and by dimension, segment and arm; those of units left out.

    ``caps`` go from position of the capped measure, ``values`` from metric key to arm key.
    """

    checked: Checked
    by_arm: ByArm
    left: Row
    segments: Mapping[int, Mapping[str, ByArm]]
    sums: Callable[[Row, int], Sums]
    caps: Mapping[int, float]
    values: Mapping[str, Mapping[str, Counts]] = field(default_factory=dict)


def read_table(engine: Engine, spec: TableSpec, layout: Layout) -> Tables:
    """The sums behind every metric.

    Raises:
        InvalidInput, InvalidTable: the file is not what was said about it.
    """
    layout = _without_unit(engine, layout)
    columns = layout.columns
    for column in columns.segments:
        check_segments(engine, column, engine.rows(distinct_query(column, rows=FIRST_ROWS, most=MOST_SEGMENTS)))
    if columns.unit:
        found = _read_units(engine, spec, layout)
    else:
        caps = _caps(engine, spec, layout)
        scanned = _scanned(engine, spec, columns, caps) if scannable(columns) else None
        found = scanned or _read_rows(engine, spec, layout, caps)
    for k, column in enumerate(columns.segments):
        check_segments(engine, column, [{"text": name} for name in found.segments.get(k, {})])
    values = {key: _values(engine, columns, position) for key, position in layout.values.items()}
    return replace(found, values=values)


def _without_unit(engine: Engine, layout: Layout) -> Layout:
    """Where each unit has one row the rows need not be grouped, which takes many times as long as to find that out."""
    plain = replace(layout, columns=replace(layout.columns, unit=""))
    if not layout.columns.unit or not scannable(plain.columns):
        return layout
    return layout if engine.rows(repeated_units_query(layout.columns)) else plain


def _scanned(engine: Engine, spec: TableSpec, columns: TableColumns, caps: Mapping[int, float]) -> Tables | None:
    """None where something that the scan believed is not so."""
    rows = _scan(engine, columns, caps)
    if not rows or doubts(columns, rows):
        return None
    counted = [row | {"rows": row["n"]} for row in rows if _dimension(row) < 0]
    checked = check_file(engine, spec, columns, counted)
    return _tables(checked, rows, caps, lambda row, position: scanned_sums_of(row, columns, position))


def _scan(engine: Engine, columns: TableColumns, caps: Mapping[int, float]) -> list[Row]:
    for wide in (False, True):
        try:
            return merged(engine.rows(scan_query(columns, caps, wide=wide)))
        except TooLarge:
            continue
    return []


def _read_units(engine: Engine, spec: TableSpec, layout: Layout) -> Tables:
    columns = layout.columns
    checked = check_file(engine, spec, columns, engine.rows(checks_query(columns, MOST_ARMS)))
    engine.rows(units_query(columns))
    caps = _caps(engine, spec, layout)
    shifts = _shifts(columns, engine.rows(shifts_query(columns, caps))[0])
    rows = engine.rows(moments_query(columns, shifts, caps))
    check_constant(engine, columns, rows)
    return _tables(checked, rows, caps, lambda row, position: sums_of(row, columns, position, shifts=shifts))


def _read_rows(engine: Engine, spec: TableSpec, layout: Layout, caps: Mapping[int, float]) -> Tables:
    columns = layout.columns
    checked = None
    if not checked_on_the_way(columns):
        checked = check_file(engine, spec, columns, engine.rows(checks_query(columns, MOST_ARMS)))
    shifts = _shifts(columns, engine.rows(shifts_query(columns, caps))[0])
    rows = engine.rows(moments_query(columns, shifts, caps))
    checked = checked or check_file(engine, spec, columns, [row for row in rows if _dimension(row) < 0])
    found = _tables(checked, rows, caps, lambda row, position: sums_of(row, columns, position, shifts=shifts))
    if not _lacks_covariate(layout, found):
        return found
    # an unknown covariate counts as the shift, which was the average of the first rows only
    better = {**shifts, **_means(layout, found)}
    rows = engine.rows(moments_query(columns, better, caps))
    return _tables(checked, rows, caps, lambda row, position: sums_of(row, columns, position, shifts=better))


def _tables(
    checked: Checked, rows: Sequence[Row], caps: Mapping[int, float], sums: Callable[[Row, int], Sums]
) -> Tables:
    segments: dict[int, dict[str, dict[str, Row]]] = {}
    for row in merged(row | {"segment": NO_SEGMENT} if row.get("segment") is None else row for row in rows):
        if _dimension(row) >= 0 and row["arm"] is not None:
            segments.setdefault(_dimension(row), {}).setdefault(str(row["segment"]), {})[str(row["arm"])] = row
    totals = [row for row in rows if _dimension(row) < 0]
    return Tables(
        checked=checked,
        by_arm={str(row["arm"]): row for row in totals if row["arm"] is not None},
        left=next((row for row in totals if row["arm"] is None), {}),
        segments=segments,
        sums=sums,
        caps=caps,
    )


def _dimension(row: Row) -> int:
    return int(str(row.get("dimension", -1)))


def _caps(engine: Engine, spec: TableSpec, layout: Layout) -> dict[int, float]:
    """The cap of each capped measure; where every unit has 0 there is nothing to cap, and the cap is 0."""
    capped = dict(layout.columns.capped)
    quantiles = {capped[position]: spec.caps[key] for key, position in layout.caps.items()}
    if not quantiles:
        return {}
    row = engine.rows(caps_query(layout.columns, quantiles))[0]
    return {position: _plain(row[f"v{plain}"]) for position, plain in capped.items()}


def _shifts(columns: TableColumns, row: Row) -> dict[int, Number]:
    """About the mean of each measure, a whole number where its values are."""
    means = {i: _plain(row[f"s{i}"]) for i in range(len(columns.measures))}
    return {i: round(mean) if columns.measures[i].whole else float(mean) for i, mean in means.items()}


def _lacks_covariate(layout: Layout, found: Tables) -> bool:
    return any(
        found.sums(row, position).n < int(str(row["n"]))
        for position in layout.before.values()
        for row in found.by_arm.values()
    )


def _means(layout: Layout, found: Tables) -> dict[int, Number]:
    """The mean of each covariate over the units of all arms that have one."""
    means: dict[int, Number] = {}
    for position in layout.before.values():
        parts = [found.sums(row, position).moments() for row in found.by_arm.values()]
        n = sum(part.n for part in parts)
        (measure,) = layout.columns.groups[position].columns
        means[measure] = sum(part.n * part.mean[0] for part in parts) / n if n else 0.0
    return means


def _values(engine: Engine, columns: TableColumns, position: int) -> dict[str, Counts]:
    found = engine.arrays(values_query(columns, position))
    arms = found["arm"].astype(str)
    return {
        str(arm): Counts(
            values=found["value"][arms == arm].astype(np.float64), counts=found["n"][arms == arm].astype(np.int64)
        )
        for arm in np.unique(arms)
    }


def _plain(value: object) -> Number:
    if value is None:
        return 0
    return value if isinstance(value, int | float) else float(str(value))
