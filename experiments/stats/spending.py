"""Looks before a planned end: group-sequential bounds that spend the error rate as the units come in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import interpolate, optimize, special

from experiments.errors import InvalidInput
from experiments.stats.passage import FARTHEST, Passage
from experiments.stats.student import critical_value, two_sided_p

# Error rates at which the bounds are tabulated; between them the p-value is interpolated.
ALPHAS = (1e-12, 1e-9, 1e-7, 1e-5, 1e-4, 1e-3, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.7, 0.9, 0.99)
LOG_4 = math.log(4)
STEP = 1e-9  # keeps the table strictly rising where rounding would not
SMALLEST = -700.0  # logarithm of a nominal p-value; a smaller one underflows

Array = npt.NDArray[np.float64]


def spent(alpha: float, fraction: float) -> float:
    """How much of alpha may be used up by this fraction of the planned units: 4 (1 − Φ(z_{1−α/4} / √t)).

    Very little at first, all of it at 1: the O'Brien-Fleming type of spending.

    Source: K. K. G. Lan, D. L. DeMets (1983), Discrete sequential boundaries for clinical trials, Biometrika 70.

    >>> spent(0.05, 1.0), round(spent(0.05, 0.5), 6)
    (0.05, 0.003051)
    """
    return alpha if fraction == 1 else math.exp(_log_spent(alpha, fraction))


def _log_spent(alpha: float, fraction: float) -> float:
    return float(LOG_4 + special.log_ndtr(special.ndtri(alpha / 4) / math.sqrt(fraction)))


def bounds(fractions: Sequence[float], alpha: float) -> tuple[float, ...]:
    """The |z| at and beyond which each look is significant, for the looks that happened, whenever they were.

    b_k is where the chance to cross for the first time at look k, under no effect, is what may be spent since the look
    before. Recursive integration of the density of the score process between the bounds.

    Args:
        fractions: of the planned units at each look, strictly increasing, in (0, 1].
        alpha: two-sided error rate over all looks.

    Raises:
        InvalidInput: fractions or alpha out of range.

    Source: P. Armitage, C. K. McPherson, B. C. Rowe (1969), Repeated significance tests on accumulating data, JRSS A
    132, 235-244; Lan, DeMets (1983).

    >>> [round(bound, 3) for bound in bounds([0.2, 0.4, 0.6, 0.8, 1.0], 0.05)]
    [4.877, 3.357, 2.68, 2.29, 2.031]
    """
    check_fractions(fractions)
    if not 0 < alpha < 1:
        raise InvalidInput("alpha", f"{alpha:g} must be above 0 and below 1")
    looks = (_look(tuple(fractions[: count + 1]), (alpha,)) for count in range(len(fractions)))
    return tuple(float(look.bounds[0]) for look in looks)


def check_fractions(fractions: Sequence[float]) -> None:
    """Raises InvalidInput unless they rise strictly within (0, 1]."""
    if not fractions or any(not low < high for low, high in zip((0.0, *fractions), fractions, strict=False)):
        raise InvalidInput("fractions", f"{tuple(fractions)} must rise strictly from above 0")
    if fractions[-1] > 1:
        raise InvalidInput("fractions", f"{fractions[-1]:g} must be at most 1")


def crossing_probability(
    fractions: Sequence[float], bounds: Sequence[float], *, drift: float = 0.0
) -> tuple[float, ...]:
    """The chance to cross ±b_k for the first time at each look.

    Args:
        fractions: of the planned units at each look.
        bounds: |z| of each look.
        drift: the expected z when all planned units are in; 0 without an effect.

    >>> round(sum(crossing_probability([0.2, 0.4, 0.6, 0.8, 1.0], [1.96] * 5)), 3)
    0.142
    """
    check_fractions(fractions)
    passage, chances = Passage.start(drift=drift), []
    for fraction, bound in zip(fractions, bounds, strict=True):
        crossed, passage = passage.advance(fraction, np.array([bound]))
        chances.append(float(crossed[0]))
    return tuple(chances)


def constant_bound(looks: int, alpha: float) -> float:
    """The same |z| for each of several equally spaced looks (Pocock).

    Source: S. J. Pocock (1977), Group sequential methods in the design and analysis of clinical trials, Biometrika 64.

    >>> round(constant_bound(5, 0.05), 3)
    2.413
    """
    fractions = [look / looks for look in range(1, looks + 1)]
    return float(
        optimize.brentq(
            lambda bound: sum(crossing_probability(fractions, [bound] * looks)) - alpha, 0.5, 10.0, xtol=1e-9
        )
    )


def design_inflation(fractions: Sequence[float], alpha: float, power: float) -> float:
    """How many times the units of a single look these looks need for the same power.

    (drift / (z_{1−α/2} + z_{power}))² with the drift at which the chance to cross at any look is ``power``.

    >>> round(design_inflation([0.2, 0.4, 0.6, 0.8, 1.0], 0.05, 0.8), 3)
    1.025
    """
    limits = bounds(fractions, alpha)
    drift = optimize.brentq(
        lambda drift: sum(crossing_probability(fractions, limits, drift=drift)) - power, 0.0, 20.0, xtol=1e-9
    )
    return float((drift / -(special.ndtri(alpha / 2) + special.ndtri(1 - power))) ** 2)


@dataclass(frozen=True, slots=True)
class Spending:
    """The rule of the last of these looks; the others happened before it.

    The p-value is the sequential one: the smallest alpha whose bound at this look is crossed. It is read off the bounds
    at :data:`ALPHAS`, interpolated monotonically between the logarithms of p and of the nominal p-value, and exact at
    these. Below the smallest one it goes on as if this were the first look.

    Source: G. Anderson, M. Palermo et al. (gsDesign), after L. Liu, K. M. Anderson (2008), On adaptive extensions of
    group sequential trials, Statistics in Medicine 27.

    >>> rule = Spending((0.2, 0.4, 0.6))
    >>> round(rule.critical(0.05, 1e9), 3), round(rule.p_value(2.68, 1e9)[0], 3)
    (2.68, 0.05)
    """

    fractions: tuple[float, ...]

    def p_value(self, t: float, df: float) -> tuple[float, float]:
        """The sequential p-value, 0 < p ≤ 1; a t of few degrees of freedom counts as the z that is as surprising."""
        _, nominal = two_sided_p(t, df)
        log_p = _table(self.fractions).log_p(nominal)
        return math.exp(log_p), log_p

    def critical(self, alpha: float, df: float) -> float:
        """The |t| whose sequential p-value is ``alpha``; inf so early that no double is surprising enough."""
        nominal = _nominal(self.fractions, alpha)
        return critical_value(math.exp(nominal), df) if nominal > SMALLEST else math.inf


class _Table:
    """ln p of a look by the logarithm of the nominal p-value, rising from -inf to 0."""

    def __init__(self, fractions: tuple[float, ...]) -> None:
        limits = _look(fractions, ALPHAS).bounds
        self.log_alpha = np.log(ALPHAS)
        # more looks never make a result more surprising, whatever the rounding of the integration
        nominal = np.minimum(math.log(2) + special.log_ndtr(-limits), self.log_alpha)
        # so early that a bound is out of reach: as if nothing had been spent before
        out_of_reach = limits >= FARTHEST
        nominal[out_of_reach] = [_log_spent(alpha, fractions[-1]) for alpha in np.array(ALPHAS)[out_of_reach]]
        for i in range(nominal.size - 2, -1, -1):
            nominal[i] = min(nominal[i], nominal[i + 1] * (1 + STEP))
        self.nominal = nominal
        self.root = math.sqrt(fractions[-1])
        curve = interpolate.PchipInterpolator(np.append(self.nominal, 0.0), np.append(self.log_alpha, 0.0))
        self.curve = curve

    def log_p(self, nominal: float) -> float:
        """ln p; beyond the table it follows the first look, 4 Φ(√t Φ⁻¹(p / 4)), moved to where the table ends."""
        if nominal < self.nominal[0]:
            further = self._first(nominal) - self._first(float(self.nominal[0]))
            return max(float(self.log_alpha[0]) + further, nominal)
        return min(max(float(self.curve(min(nominal, 0.0))), nominal), 0.0)

    def _first(self, nominal: float) -> float:
        return float(LOG_4 + special.log_ndtr(self.root * special.ndtri_exp(nominal - LOG_4)))


@lru_cache(maxsize=64)
def _table(fractions: tuple[float, ...]) -> _Table:
    check_fractions(fractions)
    return _Table(fractions)


@lru_cache(maxsize=1024)
def _nominal(fractions: tuple[float, ...], alpha: float) -> float:
    """The logarithm of the nominal p-value whose sequential one is ``alpha``."""
    table, target = _table(fractions), math.log(alpha)
    if alpha in ALPHAS:
        return float(table.nominal[ALPHAS.index(alpha)])
    low = float(table.nominal[0])
    while table.log_p(low) > target:
        low *= 2
    return float(optimize.brentq(lambda nominal: table.log_p(nominal) - target, low, 0.0, xtol=1e-12))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Look:
    """The bounds of one look, one per error rate, and those that go on after it."""

    bounds: Array
    passage: Passage


@lru_cache(maxsize=512)
def _look(fractions: tuple[float, ...], alphas: tuple[float, ...]) -> _Look:
    """The last of these looks. Those before it are kept, so another day costs one step."""
    if not fractions:
        return _Look(bounds=np.zeros(len(alphas)), passage=Passage.start(rows=len(alphas)))
    before = _look(fractions[:-1], alphas)
    already = [spent(alpha, fractions[-2]) if len(fractions) > 1 else 0.0 for alpha in alphas]
    now = [spent(alpha, fractions[-1]) for alpha in alphas]
    limits = before.passage.bound(fractions[-1], np.subtract(now, already))
    return _Look(bounds=limits, passage=before.passage.advance(fractions[-1], limits)[1])
