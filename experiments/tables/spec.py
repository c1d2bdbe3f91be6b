"""What an analyst says about a file: which column is what."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from babel.numbers import get_currency_precision, is_currency

from experiments.errors import InvalidInput

NO_CURRENCY = "¤"  # the sign for money of an unnamed currency; it has two decimals, as most currencies do
MOST_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A ratio of sums of two number columns, for instance clicks / views."""

    name: str
    numerator: str
    denominator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """``column`` must hold the value that ``values`` gives for the row's ``given``; values not listed have no rule."""

    column: str
    given: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSpec:
    """The columns of a file with one row per unit or per event, and how to judge them.

    Without ``unit`` each row is a unit, and equal rows are different units. ``money`` holds decimal major units, and
    ``covariates`` were known before the experiment. docs/analyze.md has the rules.
    """

    arm: str
    control: str
    unit: str = ""
    binary: tuple[str, ...] = ()
    number: tuple[str, ...] = ()
    money: tuple[str, ...] = ()
    ratios: tuple[Ratio, ...] = ()
    covariates: tuple[str, ...] = ()
    expect: tuple[Expectation, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    alpha: float = 0.05
    currency: str = ""
    currency_column: str = ""
    primary: str = ""
    lower_is_better: tuple[str, ...] = ()
    title: str = ""
    allow_negative: bool = False

    @property
    def metric_keys(self) -> tuple[str, ...]:
        """The metrics' keys: columns, and the names of ratios."""
        return (*self.binary, *self.number, *self.money, *(ratio.name for ratio in self.ratios))

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """(field, column) for every column that is named."""
        named = [("arm", self.arm), ("unit", self.unit), ("currency-column", self.currency_column)]
        named += [("binary", column) for column in self.binary]
        named += [("number", column) for column in self.number]
        named += [("money", column) for column in self.money]
        named += [("ratio", column) for ratio in self.ratios for column in (ratio.numerator, ratio.denominator)]
        named += [("covariate", column) for column in self.covariates]
        named += [("expect", column) for rule in self.expect for column in (rule.column, rule.given)]
        return tuple((option, column) for option, column in named if column)


def check_spec(spec: TableSpec) -> None:
    """Refuse what no file could satisfy. Raises InvalidInput."""
    check_alpha(spec.alpha)
    keys = spec.metric_keys
    if not spec.arm:
        raise InvalidInput("arm", "name the column that holds the arm")
    if not keys:
        raise InvalidInput("metrics", "name at least one column to compare: binary, number, money or ratio")
    for key in keys:
        if keys.count(key) > 1:
            raise InvalidInput("metrics", f"“{key}” is named twice; a column or ratio is one metric")
    for role, names in (
        ("primary", (spec.primary,) if spec.primary else ()),
        ("lower-is-better", spec.lower_is_better),
    ):
        for name in names:
            if name not in keys:
                raise InvalidInput(
                    role, f"“{name}” is not a metric of this analysis{suggestion(name, keys, 'metrics')}"
                )
    if spec.arm in (spec.unit, *keys, *spec.covariates):
        raise InvalidInput("arm", f"“{spec.arm}” cannot be the arm and something else too")
    for arm, weight in spec.weights.items():
        if not 0 < weight < math.inf:
            raise InvalidInput("weights", f"{arm}={weight:g} must be above 0")
    if spec.currency and not is_currency(spec.currency):
        raise InvalidInput("currency", f"“{spec.currency}” is not the code of a currency (ISO 4217, for instance EUR)")


def check_alpha(alpha: float) -> None:
    """Raises InvalidInput where an error rate is out of range."""
    if not 0 < alpha < 1:
        raise InvalidInput("alpha", f"{alpha:g} must be above 0 and below 1")


def decimals(currency: str) -> int:
    """How many decimals an amount of this currency has; 2 where none is named.

    >>> decimals("JPY"), decimals("EUR"), decimals("")
    (0, 2, 2)
    """
    return int(get_currency_precision(currency or NO_CURRENCY))


def suggestion(name: str, known: Iterable[str], what: str) -> str:
    """The end of a sentence about an unknown name: the nearest known one, then all of them.

    >>> suggestion("vist", ["visit", "spend"], "columns")
    '; did you mean “visit”? The columns are: visit, spend'
    """
    names = [str(one) for one in known]
    close = get_close_matches(name.casefold(), [one.casefold() for one in names], n=1)
    nearest = next((one for one in names if close and one.casefold() == close[0]), "")
    shown = ", ".join(names[:MOST_SHOWN]) + (f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else "")
    return (f"; did you mean “{nearest}”? The" if nearest else "; the") + f" {what} are: {shown}"
