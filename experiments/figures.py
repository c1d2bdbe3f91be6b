"""How numbers are written for people: no more digits than the interval supports.

``spread`` is the half-width of the interval around a number, in the number's own unit; two of its digits are shown.
"""

from __future__ import annotations

import math

from babel.numbers import get_currency_precision

from experiments.contracts import Scale

ABSENT = "–"
UNBOUNDED = "∞"
MOST_DECIMALS = 8
SMALLEST_P = 1e-16
UNDERFLOW = 1e-300  # of a p-value whose logarithm is not kept


def count(n: int) -> str:
    """A whole number.

    >>> count(90189)
    '90,189'
    """
    return f"{n:,}"


def value(number: float, scale: Scale, currency: str = "", *, spread: float = math.nan) -> str:
    """The value of a metric. Shares are fractions and money is in minor units; both are written the way people do.

    >>> value(0.04567, Scale.SHARE, spread=0.0012), value(123456.0, Scale.MONEY, "CNY", spread=800.0)
    ('4.57%', 'CNY 1,234.6')
    """
    return _quantity(number, scale, currency, spread=spread, sign="")


def difference(number: float, scale: Scale, currency: str = "", *, spread: float = math.nan) -> str:
    """A difference between two values of a metric, with its sign; of two shares, in percentage points.

    >>> difference(0.0033, Scale.SHARE, spread=0.0012), difference(-1.5, Scale.NUMBER, spread=0.25)
    ('+0.33 pp', '-1.50')
    """
    written = _quantity(number, scale, currency, spread=spread, sign="+")
    return written.replace("%", " pp")


def relative(fraction: float, *, spread: float = math.nan) -> str:
    """A relative effect: a fraction of the control's value, written in percent with its sign.

    >>> relative(0.0452, spread=0.021), relative(math.inf)
    ('+4.5%', '+∞')
    """
    return _quantity(fraction, Scale.SHARE, "", spread=spread, sign="+")


def half_width(low: float, high: float) -> float:
    """The spread that an interval gives to the numbers beside it; nan where it is not bounded on both sides.

    >>> half_width(-1.0, 3.0)
    2.0
    """
    width = (high - low) / 2
    return width if math.isfinite(width) else math.nan


def interval(low: float, high: float, scale: Scale, currency: str = "") -> str:
    """An interval of differences, without the unit, which stands with the effect; ∞ where a side is not bounded.

    >>> interval(0.0021, 0.0045, Scale.SHARE), interval(-math.inf, math.inf, Scale.SHARE)
    ('[+0.21, +0.45]', '[-∞, +∞]')
    """
    spread = half_width(low, high)
    return "[" + ", ".join(_digits(side, scale, currency, spread=spread, sign="+") for side in (low, high)) + "]"


def p_value(p: float, log_p: float = math.nan) -> str:
    """A p-value; far below rounding, a power of ten that it lies under, by its natural logarithm where that is known.

    >>> p_value(0.0086), p_value(3.14e-7), p_value(0.0, -187.5), p_value(3e-20), p_value(0.0)
    ('0.0086', '3.1e-07', '<1e-81', '<1e-19', '<1e-300')
    """
    if math.isnan(p):
        return ABSENT
    if p >= 1e-4:
        return f"{p:.4f}"
    if p >= SMALLEST_P:
        return f"{p:.1e}"
    if not math.isfinite(log_p):
        log_p = math.log(max(p, UNDERFLOW))
    return f"<1e{math.ceil(round(log_p / math.log(10), 9))}"


def _quantity(number: float, scale: Scale, currency: str, *, spread: float, sign: str) -> str:
    digits = _digits(number, scale, currency, spread=spread, sign=sign)
    if not math.isfinite(number) or scale is Scale.NUMBER:
        return digits
    return f"{digits}%" if scale is Scale.SHARE else f"{currency} {digits}".strip()


def _digits(number: float, scale: Scale, currency: str, *, spread: float, sign: str) -> str:
    if math.isnan(number):
        return ABSENT
    if math.isinf(number):
        return ("-" if number < 0 else sign) + UNBOUNDED
    factor, otherwise = _written(scale, currency)
    return f"{number * factor:{sign}z,.{_decimals(spread * factor, otherwise)}f}"


def _written(scale: Scale, currency: str) -> tuple[float, int]:
    """By what a stored number is multiplied, and how many decimals it has when no interval says so."""
    if scale is Scale.SHARE:
        return 100.0, 2
    if scale is Scale.MONEY:
        precision = get_currency_precision(currency) if currency else 0
        return 10.0**-precision, precision
    return 1.0, 4


def _decimals(spread: float, otherwise: int) -> int:
    """Places after the point that show two digits of the spread."""
    if not math.isfinite(spread) or spread <= 0:
        return otherwise
    return min(max(1 - math.floor(math.log10(spread)), 0), MOST_DECIMALS)
