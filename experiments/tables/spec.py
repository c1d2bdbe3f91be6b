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

    Without ``unit`` each row is a unit, and equal rows are different units. ``money`` holds decimal major units,
    ``scores`` answers to a survey, empty where there was none. ``quantiles`` are pairs of column and quantile.

    ``covariates`` were known before the experiment and adjust every metric; ``own_covariates`` (metric → columns) only
    one. ``caps`` (metric → quantile) limit a unit's value, ``guardrails`` (metric → margin) name the relative harm that
    is tolerated, None where none is named. ``planned_units`` are all arms' together. docs/analyze.md has the rules.
    """

    arm: str
    control: str
    unit: str = ""
    binary: tuple[str, ...] = ()
    number: tuple[str, ...] = ()
    money: tuple[str, ...] = ()
    ratios: tuple[Ratio, ...] = ()
    scores: tuple[str, ...] = ()
    quantiles: tuple[tuple[str, float], ...] = ()
    covariates: tuple[str, ...] = ()
    own_covariates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    caps: Mapping[str, float] = field(default_factory=dict)
    segments: tuple[str, ...] = ()
    expect: tuple[Expectation, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    alpha: float = 0.05
    currency: str = ""
    currency_column: str = ""
    primary: str = ""
    guardrails: Mapping[str, float | None] = field(default_factory=dict)
    lower_is_better: tuple[str, ...] = ()
    planned_units: int | None = None
    title: str = ""
    allow_negative: bool = False

    @property
    def metric_keys(self) -> tuple[str, ...]:
        """The metrics' keys, in the report's order."""
        answers = (key for column in self.scores for key in (response_rate(column), column))
        quantiles = (quantile_key(column, q) for column, q in self.quantiles)
        ratios = (ratio.name for ratio in self.ratios)
        return (*self.binary, *self.number, *self.money, *ratios, *answers, *quantiles)

    def covariates_of(self, key: str) -> tuple[str, ...]:
        """What a metric is adjusted by; a quantile by nothing."""
        if key in {quantile_key(*one) for one in self.quantiles}:
            return ()
        return tuple(dict.fromkeys((*self.covariates, *self.own_covariates.get(key, ()))))

    @property
    def all_covariates(self) -> tuple[str, ...]:
        """Every covariate once."""
        own = (column for columns in self.own_covariates.values() for column in columns)
        return tuple(dict.fromkeys((*self.covariates, *own)))

    @property
    def measured(self) -> tuple[tuple[str, str], ...]:
        """(field, column) for every column that is measured during the experiment."""
        named = [("binary", column) for column in self.binary]
        named += [("number", column) for column in self.number]
        named += [("money", column) for column in self.money]
        named += [("ratio", column) for ratio in self.ratios for column in (ratio.numerator, ratio.denominator)]
        named += [("score", column) for column in self.scores]
        return (*named, *(("quantile", column) for column, _ in self.quantiles))

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """(field, column) for every column that is named."""
        named = [("arm", self.arm), ("unit", self.unit), ("currency-column", self.currency_column), *self.measured]
        named += [("covariate", column) for column in self.all_covariates]
        named += [("segment", column) for column in self.segments]
        named += [("expect", column) for rule in self.expect for column in (rule.column, rule.given)]
        return tuple((option, column) for option, column in named if column)


def response_rate(column: str) -> str:
    """The key of the metric that says how many answered."""
    return f"{column}: response rate"


def quantile_key(column: str, q: float) -> str:
    """The key of the metric that is a quantile.

    >>> quantile_key("latency", 0.99)
    'latency: p99'
    """
    return f"{column}: p{100 * q:g}"


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
        ("guardrail", spec.guardrails),
        ("cap", spec.caps),
        ("covariate", spec.own_covariates),
    ):
        for name in names:
            if name not in keys:
                raise InvalidInput(
                    role, f"“{name}” is not a metric of this analysis{suggestion(name, keys, 'metrics')}"
                )
    columns = {column for _, column in spec.measured}
    if spec.arm in (spec.unit, *keys, *columns, *spec.all_covariates, *spec.segments):
        raise InvalidInput("arm", f"“{spec.arm}” cannot be the arm and something else too")
    for arm, weight in spec.weights.items():
        if not 0 < weight < math.inf:
            raise InvalidInput("weights", f"{arm}={weight:g} must be above 0")
    if spec.currency and not is_currency(spec.currency):
        raise InvalidInput("currency", f"“{spec.currency}” is not the code of a currency (ISO 4217, for instance EUR)")
    _check_known_before(spec, columns)
    _check_numbers(spec)


def _check_known_before(spec: TableSpec, measured: set[str]) -> None:
    """Covariates and segments are what was known of a unit before it was exposed."""
    for option, columns in (("covariate", spec.all_covariates), ("segment", spec.segments)):
        for column in columns:
            if column in measured:
                raise InvalidInput(
                    option, f"“{column}” is measured in the experiment; a {option} is known before it and never changes"
                )
            if column == spec.unit:
                raise InvalidInput(option, f"“{column}” cannot be the unit and a {option} too")
    for option, columns in (("covariate", spec.covariates), ("segment", spec.segments)):
        for column in columns:
            if columns.count(column) > 1:
                raise InvalidInput(option, f"“{column}” is named twice")


def _check_numbers(spec: TableSpec) -> None:
    if spec.primary in spec.guardrails:
        raise InvalidInput("guardrail", f"“{spec.primary}” cannot be the primary metric and a guardrail too")
    for key, margin in spec.guardrails.items():
        if margin is not None and not 0 < margin < 1:
            raise InvalidInput("guardrail", f"{key}={margin:g} must be above 0 and below 1 (100%)")
    for key, q in spec.caps.items():
        if key not in (*spec.number, *spec.money):
            raise InvalidInput("cap", f"“{key}” is no number and no money, so there is nothing to cap")
        if not 0 < q < 1:
            raise InvalidInput("cap", f"{key}={q:g} must be a quantile above 0 and below 1, for instance .999")
    for column, q in spec.quantiles:
        if not 0 < q < 1:
            raise InvalidInput("quantile", f"{column}={q:g} must be above 0 and below 1, for instance .9")
    if spec.planned_units is not None and spec.planned_units < 1:
        raise InvalidInput("planned-units", f"{spec.planned_units} must be 1 or more")


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
