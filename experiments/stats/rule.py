"""How surprising a test statistic is, and how large it must be: two sides of one method."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from experiments.stats.student import critical_value, two_sided_p


class Rule(Protocol):
    """A way to judge t = effect / se. The two functions are inverse to each other, so p and interval never disagree."""

    def p_value(self, t: float, df: float) -> tuple[float, float]:
        """The two-sided p-value of a finite t and its natural logarithm."""
        ...

    def critical(self, alpha: float, df: float) -> float:
        """The |t| at and beyond which the p-value is at most ``alpha``; inf where no t is enough."""
        ...


@dataclass(frozen=True, slots=True)
class Once:
    """One look, one comparison: Student's t.

    >>> round(Once().critical(0.05, 10.0), 4)
    2.2281
    """

    def p_value(self, t: float, df: float) -> tuple[float, float]:
        """P(|T| ≥ |t|)."""
        return two_sided_p(t, df)

    def critical(self, alpha: float, df: float) -> float:
        """t_{1−alpha/2, df}."""
        return critical_value(alpha, df)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidak:
    """The most extreme of several comparisons, each judged by ``rule``: p → 1 − (1 − p)^comparisons.

    Holds the chance of any false alarm at alpha whatever the comparisons' positive or negative dependence, as long as
    they are jointly normal.

    Source: Z. Šidák (1967), Rectangular confidence regions for the means of multivariate normal distributions,
    Journal of the American Statistical Association 62, 626-633.

    >>> round(Sidak(rule=Once(), comparisons=2).critical(0.05, 1e9), 3)
    2.236
    """

    rule: Rule
    comparisons: int

    def p_value(self, t: float, df: float) -> tuple[float, float]:
        """1 − (1 − p)^comparisons, without cancellation."""
        p, log_p = self.rule.p_value(t, df)
        if p < 1e-16:
            return self.comparisons * p, log_p + math.log(self.comparisons)
        adjusted = -math.expm1(self.comparisons * math.log1p(-p)) if p < 1 else 1.0
        return adjusted, math.log(adjusted)

    def critical(self, alpha: float, df: float) -> float:
        """The rule's own critical value at 1 − (1 − alpha)^(1 / comparisons)."""
        return self.rule.critical(-math.expm1(math.log1p(-alpha) / self.comparisons), df)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A comparison of a family that may use ``level`` of the family's error rate ``alpha``: p → p alpha / level.

    >>> rule = Share(rule=Once(), level=0.01, alpha=0.05)
    >>> round(rule.critical(0.05, 1e9), 3), round(rule.p_value(2.576, 1e9)[0], 3)
    (2.576, 0.05)
    """

    rule: Rule
    level: float
    alpha: float

    def p_value(self, t: float, df: float) -> tuple[float, float]:
        """At most alpha exactly when the rule's own p-value is at most the level, whatever the rounding."""
        p, log_p = self.rule.p_value(t, df)
        scaled = min(p * (self.alpha / self.level), 1.0)
        scaled = min(scaled, self.alpha) if p <= self.level else max(scaled, math.nextafter(self.alpha, 1.0))
        return scaled, min(log_p + math.log(self.alpha / self.level), 0.0)

    def critical(self, alpha: float, df: float) -> float:
        """The rule's own critical value at the same share of ``alpha``."""
        return self.rule.critical(self.level if alpha == self.alpha else alpha * (self.level / self.alpha), df)
