"""Whether a file is what was said about it. Every sentence names the file, the row, the column and the rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from experiments.errors import InvalidInput, InvalidTable
from experiments.queries.query import Query
from experiments.queries.table import Measure, Reading, TableColumns
from experiments.queries.table_cells import MOST_DIGITS
from experiments.queries.table_faults import (
    bad_cell_query,
    changing_segment_query,
    changing_unit_query,
    empty_cell_query,
    other_value_query,
)
from experiments.tables.engine import Engine, Row
from experiments.tables.spec import TableSpec, check_spec, suggestion

MOST_ARMS = 50
MOST_SEGMENTS = 50
LONGEST_TEXT = 60  # characters of a bad cell that a message repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the checks counted."""

    file: str
    rows: int
    arms: Mapping[str, int]  # → rows
    unexpected: int
    without_unit: int
    currency: str


def check_columns(engine: Engine, spec: TableSpec) -> TableSpec:
    """Every named column exists. Returns the spec with its currency, which the file may name."""
    for option, column in spec.columns:
        if column not in engine.columns:
            raise InvalidTable(
                f"{engine.name} has no column “{column}” ({option}){suggestion(column, engine.columns, 'columns')}"
            )
    if not spec.currency_column:
        return spec
    if not spec.money:
        raise InvalidInput("currency-column", "names the currency of money, and no column is read as money")
    return _with_currency(engine, spec)


def _with_currency(engine: Engine, spec: TableSpec) -> TableSpec:
    """The decimals of money depend on the currency, so it is looked up before money is read."""
    named = _first(engine, other_value_query(spec.currency_column, spec.currency))
    if named and not spec.currency:
        spec = replace(spec, currency=str(named["text"]))
        check_spec(spec)
        named = _first(engine, other_value_query(spec.currency_column, spec.currency))
    if named:
        raise InvalidTable(
            f"{engine.name}, row {named['row']}, column {spec.currency_column}: the currency is “{named['text']}”,"
            f" but “{spec.currency}” was named or came before; money of two currencies cannot be added"
        )
    return spec


def check_file(engine: Engine, spec: TableSpec, columns: TableColumns, rows: Sequence[Row]) -> Checked:
    """Every cell that is used keeps its rule, and the arms are those that were named; ``rows`` are counts by arm."""
    rows = sorted(rows, key=lambda row: (-int(str(row["rows"])), str(row["arm"])))
    if not rows:
        raise InvalidTable(f"{engine.name} has a header and no rows")
    _check_arms(engine, spec, rows)
    for position, measure in columns.read:
        if _total(rows, f"bad_{position}"):
            raise _bad_cell(engine, columns, measure)
    _check_rules(engine, columns, rows)
    if columns.currency and _total(rows, "without_currency"):
        row = _first(engine, empty_cell_query(columns.currency)) or {}
        raise InvalidTable(
            f"{engine.name}, row {row.get('row')}, column {columns.currency}: an amount of money has no currency"
        )
    checked = Checked(
        file=engine.name,
        rows=_total(rows, "rows"),
        arms={str(row["arm"]): int(str(row["rows"])) for row in rows},
        unexpected=_total(rows, "unexpected"),
        without_unit=_total(rows, "without_unit"),
        currency=spec.currency,
    )
    if checked.unexpected == checked.rows:
        raise InvalidInput("expect", f"no row of {engine.name} is as expected, so nothing is left to compare")
    if checked.without_unit == checked.rows:
        raise InvalidTable(f"{engine.name}, column {spec.unit}: no row names its unit")
    return checked


def check_constant(engine: Engine, columns: TableColumns, rows: Sequence[Row]) -> None:
    """Covariates and segments were known before the experiment, so a unit has one value of each."""
    for position, measure in columns.read:
        if measure.reading is Reading.COVARIATE and _total(rows, f"c{position}"):
            raise _changing(engine, measure.column, "covariate", changing_unit_query(columns, measure))
    for position, column in enumerate(columns.segments):
        if _total(rows, f"e{position}"):
            raise _changing(engine, column, "segment", changing_segment_query(columns, column))


def _changing(engine: Engine, column: str, what: str, query: Query) -> InvalidTable:
    unit = _first(engine, query) or {}
    return InvalidTable(
        f"{engine.name}, column {column}: unit {unit.get('unit')} has {unit.get('low')} and"
        f" {unit.get('high')}; a {what} is known before the experiment and constant within a unit"
    )


def check_segments(engine: Engine, column: str, rows: Sequence[Row]) -> None:
    """A column of segments has few different values."""
    if len(rows) > MOST_SEGMENTS:
        raise InvalidTable(
            f"{engine.name}, column {column}: more than {MOST_SEGMENTS} different values; segments are few and large"
        )


def _check_arms(engine: Engine, spec: TableSpec, rows: Sequence[Row]) -> None:
    if any(row["arm"] is None for row in rows):
        row = _first(engine, empty_cell_query(spec.arm)) or {}
        raise InvalidTable(
            f"{engine.name}, row {row.get('row')}, column {spec.arm}: the arm is empty; every row must name its arm"
        )
    if len(rows) > MOST_ARMS:
        raise InvalidTable(
            f"{engine.name}, column {spec.arm}: more than {MOST_ARMS} different values; is this the column of the arm?"
        )
    arms = [str(row["arm"]) for row in rows]
    if not spec.control:
        raise InvalidInput("control", f"name the arm to compare with; the arms are: {', '.join(arms)}")
    if spec.control not in arms:
        raise InvalidInput(
            "control", f"{engine.name} has no arm “{spec.control}”{suggestion(spec.control, arms, 'arms')}"
        )
    if len(arms) < 2:
        raise InvalidTable(f"{engine.name}, column {spec.arm}: the only arm is “{arms[0]}”; there must be two or more")
    _check_weights(spec, arms)


def _check_weights(spec: TableSpec, arms: Sequence[str]) -> None:
    for arm in spec.weights:
        if arm not in arms:
            raise InvalidInput("weights", f"there is no arm “{arm}”{suggestion(arm, arms, 'arms')}")
    missing = [arm for arm in arms if spec.weights and arm not in spec.weights]
    if missing:
        raise InvalidInput("weights", f"give every arm its weight; missing: {', '.join(missing)}")


def _check_rules(engine: Engine, columns: TableColumns, rows: Sequence[Row]) -> None:
    for i, rule in enumerate(columns.rules):
        for j, (given, held) in enumerate(rule.pairs):
            if not _total(rows, f"fits_{i}_{j}"):
                raise InvalidInput(
                    "expect", f"no row of {engine.name} has {rule.given} = “{given}” and {rule.column} = “{held}”"
                )


def _bad_cell(engine: Engine, columns: TableColumns, measure: Measure) -> InvalidTable:
    found = _first(engine, bad_cell_query(columns, measure)) or {}
    text = str(found.get("text"))
    shown = text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"
    shown = " ".join(shown.split())
    return InvalidTable(
        f"{engine.name}, row {found.get('row')}, column {measure.column}: “{shown}” {_rule(columns, measure, text)}"
    )


def _rule(columns: TableColumns, measure: Measure, text: str) -> str:
    if measure.reading is Reading.BINARY:
        return "must be 0 or 1, true or false"
    if measure.reading is not Reading.MONEY:
        return "must be a finite number; leave the cell empty where a value is missing"
    if text.startswith("-") and not columns.allow_negative:
        return "is negative; --allow-negative accepts refunds and corrections"
    if not columns.decimals:
        return "must be a whole amount: the currency has no decimals"
    most = f"{columns.decimals} decimals and {MOST_DIGITS} digits before the point"
    return f"must be an amount in major units with at most {most}"


def _first(engine: Engine, query: Query) -> Row | None:
    return next(iter(engine.rows(query)), None)


def _total(rows: Sequence[Row], name: str) -> int:
    """The sum of a count over the arms; one that was not asked for is 0."""
    return sum(int(str(row.get(name, 0))) for row in rows)
