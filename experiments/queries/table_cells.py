"""From a cell to a value, by the rule of its reading; and the same where the file's own type is believed."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.queries.table import Measure, Reading, Storage, TableColumns, cell, quoted

MOST_DIGITS = 15  # before the point, of an amount of money
EXACT_AMOUNT = 10**13  # below, the nearest double to an amount is that amount and no other
DUST = 1e-5  # minor units by which a binary fraction may be off


def raw(columns: TableColumns, column: str) -> str:
    """A cell as the file holds it: a number, or a text that is NULL where it is blank."""
    return cell(column) if columns.storage(column) is Storage.TEXT else quoted(column)


def value(columns: TableColumns, measure: Measure, x: str) -> str:
    """The value of the cell ``x``, NULL where it breaks the rule of its reading."""
    storage = columns.storage(measure.column)
    if measure.reading is Reading.ANSWERED:
        return f"CAST({x} IS NOT NULL AS INTEGER)"
    if measure.reading is Reading.BINARY:
        return _binary(storage, x)
    if measure.reading is Reading.MONEY:
        return _money(columns, storage, x)
    if storage in (Storage.INTEGER, Storage.DECIMAL):
        return f"CAST({x} AS DOUBLE)"
    number = f"CAST({x} AS DOUBLE)" if storage in (Storage.SINGLE, Storage.DOUBLE) else f"TRY_CAST({x} AS DOUBLE)"
    # a logical value is no number
    return "CAST(NULL AS DOUBLE)" if storage is Storage.LOGICAL else f"CASE WHEN ISFINITE({number}) THEN {number} END"


def _binary(storage: Storage, x: str) -> str:
    if storage is Storage.TEXT:
        yes, no = "'1', '1.0', 'true'", "'0', '0.0', 'false'"
        return f"CASE WHEN LOWER({x}) IN ({yes}) THEN 1 WHEN LOWER({x}) IN ({no}) THEN 0 END"
    return f"CAST({x} AS INTEGER)" if storage is Storage.LOGICAL else f"CASE {x} WHEN 1 THEN 1 WHEN 0 THEN 0 END"


def _money(columns: TableColumns, storage: Storage, x: str) -> str:
    factor, positive = 10**columns.decimals, "" if columns.allow_negative else f" AND {x} >= 0"
    if storage is Storage.INTEGER:
        within = f"{x} BETWEEN -{10**MOST_DIGITS - 1} AND {10**MOST_DIGITS - 1}"
        return f"CASE WHEN {within}{positive} THEN CAST({x} AS BIGINT) * {factor} END"
    exact = _decimal(columns, x if storage in (Storage.TEXT, Storage.DECIMAL) else f"CAST({x} AS VARCHAR)")
    if storage is not Storage.DOUBLE:
        return exact
    unit = f"CAST({factor} AS DOUBLE)"
    minor = f"ROUND({x} * {unit})"
    # of a large amount the nearest double is off by more
    whole = f"(ABS({x} * {unit} - {minor}) <= {DUST} OR {minor} / {unit} = {x}){positive}"
    return f"CASE WHEN ABS({x}) >= {EXACT_AMOUNT} THEN {exact} WHEN {whole} THEN CAST({minor} AS BIGINT) END"


def _decimal(columns: TableColumns, x: str) -> str:
    # twelve decimals are read, so what binary fractions leave behind (3.3000000000000003) is rounded away
    minor = f"TRY_CAST({x} AS DECIMAL({MOST_DIGITS + 12}, 12)) * CAST({10**columns.decimals} AS DECIMAL(4, 0))"
    positive = "" if columns.allow_negative else f" AND {minor} >= 0"
    return f"CASE WHEN {minor} % 1 = 0{positive} THEN CAST({minor} AS BIGINT) END"


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """A number that is taken as it is, and what shows afterwards whether that was right.

    ``wrong`` is a condition that no row may meet, "" where the type rules it out; ``error`` is the square of a number
    of which no row may have more than :data:`DUST`.
    """

    value: str
    wrong: str = ""
    error: str = ""


def believed(columns: TableColumns, measure: Measure, x: str, *, wide: bool = True) -> Believed | None:
    """The number ``x`` itself; None where the file's type does not say what it is.

    Unless ``wide``, integers keep the file's type, in which squares are found faster where they have room.
    """
    storage = columns.storage(measure.column)
    if measure.reading is Reading.ANSWERED:
        return Believed(value=f"CAST({x} IS NOT NULL AS INTEGER)")
    if storage is Storage.TEXT:
        return None
    if measure.reading is Reading.BINARY:
        return _believed_binary(storage, x)
    if storage is Storage.LOGICAL:
        return None
    if measure.reading is Reading.MONEY:
        return _believed_money(columns, measure.column, x)
    if storage is Storage.INTEGER:
        return Believed(value=f"CAST({x} AS BIGINT)" if wide else x)
    return Believed(value=f"CAST({x} AS DOUBLE)")


def _believed_binary(storage: Storage, x: str) -> Believed:
    if storage is Storage.LOGICAL:
        return Believed(value=f"CAST({x} AS INTEGER)")
    if storage is Storage.INTEGER:
        return Believed(value=x, wrong=f"{x} < 0 OR {x} > 1")
    number = f"CAST({x} AS DOUBLE)"
    return Believed(value=number, wrong=f"NOT ({number} = 0 OR {number} = 1)")


def _believed_money(columns: TableColumns, column: str, x: str) -> Believed | None:
    storage = columns.storage(column)
    factor, most = 10**columns.decimals, 10**MOST_DIGITS
    least = -most if columns.allow_negative else -1
    if storage is Storage.INTEGER:
        return Believed(value=f"CAST({x} AS BIGINT) * {factor}", wrong=f"{x} <= {least} OR {x} >= {most}")
    if storage is Storage.SINGLE:
        return None  # 3.3 is not 3.3 in it
    exact = f"CAST({x} AS DOUBLE) * CAST({factor} AS DOUBLE)"
    minor = f"ROUND({exact})"
    wrong = "" if columns.allow_negative else f"{x} < 0"
    if columns.scales.get(column, columns.decimals + 1) <= columns.decimals:
        return Believed(value=minor, wrong=wrong)
    return Believed(value=minor, wrong=wrong, error=f"({exact} - {minor}) * ({exact} - {minor})")
