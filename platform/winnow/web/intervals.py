"""Where an interval is drawn: one axis for all rows of a table, with 0 in the middle (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

WIDTH = 240.0
MARGIN = 14.0  # left and right of the axis: room for arrows, and for half a figure under each end
MOST_MEDIANS = 3.0  # an interval that is longer than this many typical ones is clipped instead of flattening the others
NICE = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """From ``-limit`` to ``limit``, as fractions."""

    limit: float

    @property
    def ticks(self) -> tuple[tuple[float, float], ...]:
        """Position and value of each tick."""
        return tuple((self.place(value), value) for value in (-self.limit, 0.0, self.limit))

    def place(self, value: float) -> float:
        """The position of a value; of one beyond an end, that end's."""
        share = (min(max(value, -self.limit), self.limit) / self.limit + 1) / 2
        return MARGIN + share * (WIDTH - 2 * MARGIN)

    def holds(self, value: float) -> bool:
        """Whether the value lies on the axis."""
        return abs(value) <= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A drawn interval. ``point`` is None where the effect lies beyond an end; arrows say that the bar goes on."""

    start: float
    end: float
    point: float | None
    arrow_low: bool
    arrow_high: bool

    @property
    def length(self) -> float:
        """How long the bar is; never invisible."""
        return max(self.end - self.start, 1.0)


def axis_for(intervals: Iterable[Interval]) -> Axis:
    """An axis that holds every bounded interval, unless one is far longer than the others."""
    extents = [max(abs(low), abs(high)) for low, high in intervals if math.isfinite(low) and math.isfinite(high)]
    longest = max(extents, default=0.0)
    if not longest:
        return Axis(limit=0.1)
    return Axis(limit=nice(min(longest, MOST_MEDIANS * median(extents)) or longest))


def draw(effect: float, low: float, high: float, axis: Axis) -> Bar | None:
    """The bar of one interval, or None where there is no interval to draw."""
    if math.isnan(low) or math.isnan(high):
        return None
    return Bar(
        start=axis.place(low),
        end=axis.place(high),
        point=axis.place(effect) if axis.holds(effect) else None,
        arrow_low=low < -axis.limit,
        arrow_high=high > axis.limit,
    )


def nice(value: float) -> float:
    """The smallest round number that is not below the value.

    >>> [nice(value) for value in (0.071, 0.2, 3.2)]
    [0.08, 0.2, 4.0]
    """
    magnitude = 10.0 ** math.floor(math.log10(value))
    steps = [step * magnitude for step in NICE]
    return round(next((step for step in steps if step >= value * (1 - 1e-9)), steps[-1]), 12)
