"""Looks before a planned end: group-sequential bounds that spend the error rate as the units come in."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy import interpolate, optimize, special

from experiments.errors import InvalidInput
from experiments.stats.passage import Passage
from experiments.stats.student import critical_value, two_sided_p

# Error rates at which the bounds are computed; between them the sequential p-value is interpolated. The bounds of
# error rates near 1 bend the most.
ALPHAS = (
    *(1e-12, 1e-10, 1e-8, 1e-6, 1e-5, 1e-4, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5),
    *(0.6, 0.65, 0.7, 0.75, 0.8, 0.84, 0.88, 0.91, 0.94, 0.96, 0.98, 0.99, 0.998, 0.9999, 1.0),
)
SMALLEST_STEP = 1e-6  # between two looks, in planned units; the quadrature resolves no less
LARGEST_DRIFT = 30.0
TOLERANCE = 1e-13
APART = 1e-12  # bounds of neighbouring error rates, at least
LEAST_OF_STUDENT, SMALLEST = -300.0, -700.0  # ln p below which scipy's quantile is off, and that underflows
LARGEST_LOG = 700.0  # of a t
LOG_2, LOG_4 = math.log(2), math.log(4)


def spent(alpha: float, fraction: float) -> float:
    """How much of alpha may be used up by this fraction of the planned units: 4 (1 − Φ(z_{1−α/4} / √t)).

    Very little at first, all of it at 1: the O'Brien-Fleming type of spending.

    Args:
        alpha: two-sided error rate over all looks, in (0, 1).
        fraction: t, in (0, 1].

    Raises:
        InvalidInput: alpha or fraction out of range.

    Source: K. K. G. Lan, D. L. DeMets (1983), Discrete sequential boundaries for clinical trials, Biometrika 70,
    659-663.

    >>> spent(0.05, 1.0), round(spent(0.05, 0.5), 6)
    (0.05, 0.003051)
    """
    _check_alpha(alpha)
    check_fractions([fraction])
    return alpha if fraction == 1 else float(4 * special.ndtr(special.ndtri(alpha / 4) / math.sqrt(fraction)))


def bounds(fractions: Sequence[float], alpha: float) -> tuple[float, ...]:
    """The |z| at and beyond which each look is significant, for the looks that happened, whenever they were.

    b_k is where the chance to cross for the first time at look k, under no effect, is what may be spent since the look
    before: α*(t_k) − α*(t_{k−1}). A look at t = 1 spends what is left.

    Args:
        fractions: of the planned units at each look, strictly increasing, in (0, 1].
        alpha: two-sided error rate over all looks, in (0, 1).

    Returns:
        one bound per look.

    Raises:
        InvalidInput: fractions or alpha out of range.

    Source: K. K. G. Lan, D. L. DeMets (1983), Biometrika 70, 659-663.

    >>> [round(bound, 3) for bound in bounds([0.2, 0.4, 0.6, 0.8, 1.0], 0.05)]
    [4.877, 3.357, 2.68, 2.29, 2.031]
    """
    check_fractions(fractions)
    _check_alpha(alpha)
    return _bounds(tuple(fractions), alpha)


def crossing_probability(fractions: Sequence[float], bounds: Sequence[float], drift: float = 0.0) -> tuple[float, ...]:
    """The chance to cross ±b_k for the first time at each look.

    Args:
        fractions: of the planned units at each look, strictly increasing, in (0, 1].
        bounds: |z| of each look, > 0; inf where nobody stops.
        drift: the expected z when all planned units are in, within ±30; 0 without an effect.

    Returns:
        one chance per look, both sides together.

    Raises:
        InvalidInput: fractions, bounds or drift out of range.

    Source: P. Armitage, C. K. McPherson, B. C. Rowe (1969), Repeated significance tests on accumulating data, JRSS A
    132, 235-244.

    >>> round(sum(crossing_probability([0.2, 0.4, 0.6, 0.8, 1.0], [1.96] * 5)), 3)
    0.142
    """
    check_fractions(fractions)
    if len(bounds) != len(fractions) or not all(bound > 0 for bound in bounds):
        raise InvalidInput("bounds", f"{tuple(bounds)} must be one number above 0 for each look")
    if not abs(drift) <= LARGEST_DRIFT:
        raise InvalidInput("drift", f"{drift:g} must be within ±{LARGEST_DRIFT:g}")
    score, chances = Passage.start(fractions[0]), []
    for bound, following in zip(bounds, (*fractions[1:], None), strict=True):
        # the lower bound is to a drift what the upper one is to its opposite
        chances.append(score.beyond(bound, drift)[0] + score.beyond(bound, -drift)[0])
        if following is not None:
            score = score.within(bound, following)
    return tuple(chances)


def constant_bound(looks: int, alpha: float) -> float:
    """The one |z| for each of several equally spaced looks that holds the error rate (Pocock).

    Args:
        looks: number of them, ≥ 1.
        alpha: two-sided error rate over all looks, in (0, 1).

    Raises:
        InvalidInput: looks or alpha out of range.

    Source: S. J. Pocock (1977), Group sequential methods in the design and analysis of clinical trials, Biometrika 64,
    191-199.

    >>> round(constant_bound(5, 0.05), 3)
    2.413
    """
    _check_alpha(alpha)
    fractions = equal_looks(looks)
    # one look needs less, looks that share nothing would need more
    low, high = -float(special.ndtri(alpha / 2)), -float(special.ndtri(alpha / 2 / looks))

    def excess(bound: float) -> float:
        return sum(crossing_probability(fractions, (bound,) * looks)) - alpha

    return low if looks == 1 else float(optimize.brentq(excess, low, high, xtol=1e-12))


def design_inflation(looks: int | Sequence[float], alpha: float, power: float) -> float:
    """How many times the units of a single look these looks need for the same power.

    (drift / drift of a single look)², drifts at which the chance to cross at any look, on either side, is ``power``.

    Args:
        looks: fractions of the planned units at each look, or the number of equally spaced ones.
        alpha: two-sided error rate over all looks, in (0, 1).
        power: in (alpha, 1).

    Returns:
        the factor on the planned units; at least 1.

    Raises:
        InvalidInput: looks, alpha or power out of range.

    Source: C. Jennison, B. W. Turnbull (2000), Group Sequential Methods with Applications to Clinical Trials, section
    2.3.

    >>> round(design_inflation(5, 0.05, 0.8), 3)
    1.025
    """
    fractions = equal_looks(looks) if isinstance(looks, int) else tuple(looks)
    limits = bounds(fractions, alpha)
    _check_power(alpha, power)

    def drift_of(at: tuple[float, ...], limits: tuple[float, ...]) -> float:
        def excess(drift: float) -> float:
            return sum(crossing_probability(at, limits, drift)) - power

        if excess(LARGEST_DRIFT) < 0:
            raise InvalidInput("looks", f"the last one, at {at[-1]:g}, must not be so far from 1")
        return float(optimize.brentq(excess, 0.0, LARGEST_DRIFT, xtol=1e-12))

    return (drift_of(fractions, limits) / drift_of((1.0,), bounds([1.0], alpha))) ** 2


def single_look_drift(alpha: float, power: float) -> float:
    """The expected z of one look that has this power: z_{1−α/2} + z_{power}.

    >>> round(single_look_drift(0.05, 0.8), 3)
    2.802
    """
    _check_alpha(alpha)
    _check_power(alpha, power)
    return -float(special.ndtri(alpha / 2) + special.ndtri(1 - power))


def equal_looks(looks: int) -> tuple[float, ...]:
    """Fractions of equally spaced looks, the last one at 1.

    >>> equal_looks(4)
    (0.25, 0.5, 0.75, 1.0)
    """
    if looks < 1:
        raise InvalidInput("looks", f"{looks} must be at least 1")
    return tuple(look / looks for look in range(1, looks + 1))


def check_fractions(fractions: Sequence[float]) -> None:
    """Raises InvalidInput unless they rise from above 0 to at most 1, by at least ``SMALLEST_STEP`` each."""
    if not fractions or not fractions[0] > 0:
        raise InvalidInput("fractions", f"{tuple(fractions)} must be one or more numbers above 0")
    if not all(high - low >= SMALLEST_STEP for low, high in pairwise(fractions)):
        raise InvalidInput("fractions", f"{tuple(fractions)} must rise by at least {SMALLEST_STEP:g} each")
    if fractions[-1] > 1:
        raise InvalidInput("fractions", f"{fractions[-1]:g} must be at most 1")


@dataclass(frozen=True, slots=True)
class Spending:
    """The rule of the last of these looks; the others happened before it.

    The p-value is the sequential one: the smallest alpha whose bound b_k(alpha) at this look is reached. The bounds are
    computed once for :data:`ALPHAS`, at which p is exact; in between x = Φ⁻¹(1 − p / 4) is a monotone cubic of |z|.
    Beyond the smallest one x grows as if this were the first look, p = 4 (1 − Φ(√t Φ⁻¹(1 − nominal p / 4))), moved to
    where the table ends. A t with few degrees of freedom counts as the z of the same nominal p-value.

    Args:
        fractions: of the planned units at each look so far, strictly increasing, in (0, 1].

    Raises:
        InvalidInput: fractions out of range.

    Source: Q. Liu, K. M. Anderson (2008), On adaptive extensions of group sequential trials for clinical
    investigations, Journal of the American Statistical Association 103, 1621-1630.

    >>> rule = Spending((0.2, 0.4, 0.6))
    >>> round(rule.critical(0.05, 1e9), 3), round(rule.p_value(2.68028, 1e9)[0], 3)
    (2.68, 0.05)
    """

    fractions: tuple[float, ...]

    def __post_init__(self) -> None:
        check_fractions(self.fractions)

    def p_value(self, t: float, df: float) -> tuple[float, float]:
        """The sequential p-value, never below that of a single look, and its logarithm."""
        nominal = LOG_2 + float(special.log_ndtr(-abs(t))) if math.isinf(df) else two_sided_p(t, df)[1]
        x = _table(self.fractions).score(-float(special.ndtri_exp(nominal - LOG_2)))
        log_p = min(max(LOG_4 + float(special.log_ndtr(-x)), nominal), 0.0)
        return math.exp(log_p), log_p

    def critical(self, alpha: float, df: float) -> float:
        """The |t| whose sequential p-value is ``alpha``; inf so early that no double is surprising enough."""
        single = -float(special.ndtri_exp(math.log(alpha) - LOG_2))
        return _student(max(_table(self.fractions).deviate(_level(alpha)), single), df)


Look = tuple[float, Passage]  # bound, and the process that it was found for

MOST_KEPT = 32
_KEPT: dict[tuple[float, ...], list[Look]] = {}


class _Table:
    """x = Φ⁻¹(1 − p / 4) of the sequential p-value at the last look, as a function of |z|, and its inverse."""

    def __init__(self, fractions: tuple[float, ...]) -> None:
        self.root = math.sqrt(fractions[-1])
        # one look needs no table: all of it is beyond the end of an empty one
        self.z, self.x, self.slopes, self.end = [-math.inf], [0.0], [0.0], 0.0
        if len(fractions) > 1:
            self._fill(fractions)

    def _fill(self, fractions: tuple[float, ...]) -> None:
        limits = np.array(_tabulated(fractions))
        # a bound that rose with alpha would never be the first that is reached
        z = np.maximum(np.minimum.accumulate(limits) - APART * np.arange(len(ALPHAS)), 0.0)[::-1]
        x = np.array([_level(alpha) for alpha in ALPHAS])[::-1]
        secants = np.diff(x) / np.diff(z)
        steepest = 3 * np.minimum(np.append(secants, np.inf), np.append(np.inf, secants))
        slopes = np.clip(interpolate.CubicSpline(z, x)(z, 1), 0.0, steepest)  # monotone by Fritsch and Carlson
        self.z, self.x, self.slopes = z.tolist(), x.tolist(), slopes.tolist()
        self.end = _halved(self.z[-1])

    def score(self, z: float) -> float:
        """x of a |z|."""
        if z >= self.z[-1]:
            return self.x[-1] + self.root * (_halved(z) - self.end)
        return self._cubic(bisect_right(self.z, z) - 1, z) if z > self.z[0] else self.x[0]

    def deviate(self, x: float) -> float:
        """|z| of an x."""
        if x >= self.x[-1]:
            return _doubled(self.end + (x - self.x[-1]) / self.root)
        i = bisect_right(self.x, x) - 1
        if i < 0 or x == self.x[i]:
            return self.z[max(i, 0)]
        return float(optimize.brentq(lambda z: self._cubic(i, z) - x, self.z[i], self.z[i + 1], xtol=TOLERANCE))

    def _cubic(self, i: int, z: float) -> float:
        width, rise = self.z[i + 1] - self.z[i], self.x[i + 1] - self.x[i]
        u = (z - self.z[i]) / width
        first, last = self.slopes[i] * width, self.slopes[i + 1] * width
        return self.x[i] + u * (first + u * (3 * rise - 2 * first - last + u * (first + last - 2 * rise)))


@lru_cache(maxsize=128)
def _table(fractions: tuple[float, ...]) -> _Table:
    return _Table(fractions)


@lru_cache(maxsize=1024)
def _bounds(fractions: tuple[float, ...], alpha: float) -> tuple[float, ...]:
    look = _first(alpha, fractions[0])
    limits = [look[0]]
    for fraction in fractions[1:]:
        look = _next(look, alpha, fraction)
        limits.append(look[0])
    return tuple(limits)


def _tabulated(fractions: tuple[float, ...]) -> list[float]:
    """The last of these looks' bounds at ``ALPHAS``. What was found is kept, so one more day costs one step."""
    done, looks = len(fractions), _KEPT.get(fractions)
    while not looks and done > 1:
        done -= 1
        looks = _KEPT.get(fractions[:done])
    looks = looks or [_first(alpha, fractions[0]) for alpha in ALPHAS]
    for count in range(max(done, 1), len(fractions)):
        # the looks before the last one are kept as well: the next report may have the same and another last one
        _KEPT[fractions[:count]] = looks
        looks = [_next(look, alpha, fractions[count]) for look, alpha in zip(looks, ALPHAS, strict=True)]
        _forget()
    _KEPT[fractions] = looks
    return [bound for bound, _ in looks]


def _forget() -> None:
    """The oldest half, where there are many; several threads may do so at once."""
    if len(_KEPT) >= MOST_KEPT:
        for key in list(_KEPT)[: MOST_KEPT // 2]:
            _KEPT.pop(key, None)


def _first(alpha: float, fraction: float) -> Look:
    score = Passage.start(fraction)
    return score.bound(_log_spent(alpha, fraction)), score


def _next(look: Look, alpha: float, fraction: float) -> Look:
    score, log_spent = look[1].within(look[0], fraction), _log_spent(alpha, fraction)
    already = _log_spent(alpha, score.before) - log_spent
    return score.bound(log_spent + math.log(-math.expm1(already))), score


def _log_spent(alpha: float, fraction: float) -> float:
    return LOG_4 + float(special.log_ndtr(-_level(alpha) / math.sqrt(fraction)))


def _level(alpha: float) -> float:
    """z_{1−alpha/4}, in which spending is linear."""
    return -float(special.ndtri_exp(math.log(alpha) - LOG_4))


def _halved(z: float) -> float:
    """The deviate whose upper tail is half that of z."""
    return -float(special.ndtri_exp(special.log_ndtr(-z) - LOG_2))


def _doubled(z: float) -> float:
    """The deviate whose upper tail is twice that of z."""
    return -float(special.ndtri_exp(min(special.log_ndtr(-z) + LOG_2, 0.0)))


def _student(z: float, df: float) -> float:
    """The t of the same tail; inf where the tail or the t is more than a double holds."""
    log_p = LOG_2 + float(special.log_ndtr(-z))
    if log_p < SMALLEST:
        return math.inf
    if math.isinf(df):
        return z
    if log_p > LEAST_OF_STUDENT:
        return critical_value(math.exp(log_p), df)

    def excess(log_t: float) -> float:
        return two_sided_p(math.exp(log_t), df)[1] - log_p

    low = math.log(z)
    return math.exp(optimize.brentq(excess, low, LARGEST_LOG, xtol=TOLERANCE)) if excess(LARGEST_LOG) < 0 else math.inf


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise InvalidInput("alpha", f"{alpha:g} must be above 0 and below 1")


def _check_power(alpha: float, power: float) -> None:
    if not alpha < power < 1:
        raise InvalidInput("power", f"{power:g} must be above alpha ({alpha:g}) and below 1")
