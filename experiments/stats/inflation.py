"""How many times the units of a single look a stopping plan needs, for the looks that the traffic makes possible."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from scipy import special

from experiments.contracts import Stopping
from experiments.stats.planning import Design
from experiments.stats.sequence import Sequence as ConfidenceSequence
from experiments.stats.spending import design_inflation

# Of the planned units: one look in each part of this size. A report tells apart looks that are half as far from each
# other; for a plan that would change .2 % of the units, and take seconds.
PART = 0.02
MANY = 1e9  # degrees of freedom: a plan is for large samples


def daily_looks(arrivals: Sequence[float], units: float) -> tuple[float, ...]:
    """The fractions of the planned units at the end of each day up to the one that completes them, 1 last.

    At most 50: of the days within the same 2 % of the units, the first; 50 equal steps where none completes them.

    Args:
        arrivals: units in all by the end of day 1, 2, …
        units: planned, above 0.

    >>> daily_looks([500.0, 800.0, 803.0, 1000.0, 1200.0], 1000.0)
    (0.5, 0.8, 1.0)
    """
    parts = round(1 / PART)
    if not arrivals or arrivals[-1] < units:
        return tuple(part / parts for part in range(1, parts + 1))
    kept: dict[int, float] = {}
    for count in arrivals:
        part = int(count / units / PART)
        if 0 < part < parts:
            kept.setdefault(part, count / units)
    return (*kept.values(), 1.0)


@lru_cache(maxsize=256)
def inflation(stopping: Stopping, design: Design, fractions: tuple[float, ...] = (1.0,)) -> float:
    """The factor on the units of one look that keeps the power of one look; at least 1.

    Spending: that of :func:`~experiments.stats.spending.design_inflation` at these looks. Sequence: the interval is
    narrowest when the planned units are in, and there its |z| is c = √(2 (m + 1) / m · (ln(1 + m) / 2 − ln level)),
    m = −2 ln alpha + ln(1 − 2 ln alpha), whatever their number. So the factor is
    ((c + z_power) / (z_{1−level/2} + z_power))². It counts what is found with the last unit, not before it.

    Args:
        stopping: how often the result may be read.
        design: error rate, power, and for how many comparisons; its own inflation is not used.
        fractions: of the planned units at each look; only spending depends on them.

    Raises:
        InvalidInput: fractions that do not rise within (0, 1].

    >>> [round(inflation(one, Design(), (0.2, 0.4, 0.6, 0.8, 1.0)), 3) for one in Stopping]
    [1.0, 1.025, 1.915]
    """
    if stopping is Stopping.ONCE:
        return 1.0
    if stopping is Stopping.SPENDING:
        return max(design_inflation(fractions, design.level, design.power), 1.0)
    critical = ConfidenceSequence(n=1.0, planned_n=1.0, alpha=design.alpha).critical(design.level, MANY)
    return max(((critical + _z(design.power)) / (-_z(design.level / 2) + _z(design.power))) ** 2, 1.0)


def _z(probability: float) -> float:
    return float(special.ndtri(probability))
