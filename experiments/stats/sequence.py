"""Looks without a planned end: the asymptotic confidence sequence."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from experiments.errors import InvalidInput

# The sequence is asymptotic: before so many units and conversions in an arm it is not valid yet.
FEWEST_UNITS = 100
FEWEST_CONVERSIONS = 20

FARTHEST = 1e150  # |z| whose square a float still holds


def rho_squared(alpha: float, planned_n: float) -> float:
    """The tuning that makes the interval about as narrow as it can be at N* units: (−2 ln α + ln(1 − 2 ln α)) / N*.

    Args:
        alpha: error rate at which the sequence will be reported, in (0, 1).
        planned_n: N*, of both arms together, > 0; half of a rough guess where it is not planned.

    Raises:
        InvalidInput: alpha or planned_n out of range.

    Source: I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas (2024), Annals of Statistics 52, 2613-2640.

    >>> round(5_000 * rho_squared(0.05, 5_000), 4)
    7.9362
    """
    if not 0 < alpha < 1:
        raise InvalidInput("alpha", f"{alpha:g} must be above 0 and below 1")
    if not 0 < planned_n < math.inf:
        raise InvalidInput("planned_n", f"{planned_n:g} must be above 0")
    return (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / planned_n


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """The rule of one look among any number of looks, whenever they are and whenever one stops.

    With N = n_T + n_C units, ρ² tuned for N*: half-width = SE √(2 (Nρ² + 1) / (Nρ²) · ln(√(Nρ² + 1) / α)), which is the
    z at which e = (1 + Nρ²)^(−1/2) exp(Nρ² z² / (2 (1 + Nρ²))) reaches 1 / α; p = min(1, 1 / e). The mixture sequential
    probability ratio test has the same formula with Nρ² = τ² / SE².

    Args:
        n: units of both arms at this look, > 0.
        planned_n: N*, the units at which the interval should be narrowest, > 0; fixed before the first look.
        alpha: the error rate that it is tuned for, in (0, 1); fixed before the first look.

    Raises:
        InvalidInput: one of them out of range.

    Source: I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas (2024), Time-uniform central limit theory and
    asymptotic confidence sequences, Annals of Statistics 52, 2613-2640.

    >>> rule = Sequence(n=5_000, planned_n=5_000)
    >>> round(rule.critical(0.05, 4_998.0), 4), round(rule.p_value(2.0, 4_998.0)[0], 4)
    (3.0352, 0.506)
    """

    n: float
    planned_n: float
    alpha: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.n < math.inf:
            raise InvalidInput("n", f"{self.n:g} must be above 0")
        rho_squared(self.alpha, self.planned_n)

    @property
    def mixture(self) -> float:
        """Nρ²."""
        return self.n * rho_squared(self.alpha, self.planned_n)

    def p_value(self, t: float, df: float) -> tuple[float, float]:
        """min(1, 1 / e) and its logarithm; ``df`` plays no part."""
        m = self.mixture
        z = min(abs(t), FARTHEST)
        log_p = min(math.log1p(m) / 2 - m / (1 + m) * z * z / 2, 0.0)
        return math.exp(log_p), log_p

    def critical(self, alpha: float, df: float) -> float:
        """The |z| at which 1 / e falls to ``alpha``."""
        m = self.mixture
        return math.sqrt(2 * (1 + m) / m * (math.log1p(m) / 2 - math.log(alpha)))


def ready(n: int, conversions: float | None) -> bool:
    """Whether an arm has enough units, and enough conversions where the metric counts them.

    Args:
        n: units of the arm.
        conversions: units of it that converted; None where the metric is no share.

    >>> ready(100, 19), ready(100, None)
    (False, True)
    """
    return n >= FEWEST_UNITS and (conversions is None or conversions >= FEWEST_CONVERSIONS)


def running_p(p_values: Iterable[float]) -> float:
    """The smallest p-value of all looks so far: valid too, and it never rises again.

    >>> running_p([0.5, 0.03, 0.2])
    0.03
    """
    return min((p for p in p_values if not math.isnan(p)), default=math.nan)


def running_interval(intervals: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """What all intervals so far have in common; nan where they have nothing.

    >>> running_interval([(-1.0, 3.0), (0.5, 4.0)])
    (0.5, 3.0)
    """
    known = [(low, high) for low, high in intervals if not math.isnan(low)]
    low, high = max((low for low, _ in known), default=math.nan), min((high for _, high in known), default=math.nan)
    return (low, high) if low <= high else (math.nan, math.nan)
