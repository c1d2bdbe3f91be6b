"""An axis that begins at 0, for figures that cannot be less (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from winnow.web.intervals import MARGIN, WIDTH, Axis, Interval, nice


@dataclass(frozen=True, slots=True, kw_only=True)
class RisingAxis(Axis):
    """From 0 to ``limit``."""

    @property
    def ticks(self) -> tuple[tuple[float, float], ...]:
        """Position and value of each tick: both ends and the middle."""
        return tuple((self.place(value), value) for value in (0.0, self.limit / 2, self.limit))

    def place(self, value: float) -> float:
        """The position of a value; of one beyond an end, that end's."""
        return MARGIN + min(max(value, 0.0), self.limit) / self.limit * (WIDTH - 2 * MARGIN)


def rising_axis(intervals: Iterable[Interval]) -> RisingAxis:
    """An axis that holds every bounded interval and every value.

    >>> rising_axis([(0.1, 0.171), (0.02, 0.03)]).limit
    0.2
    """
    longest = max((side for both in intervals for side in both if math.isfinite(side)), default=0.0)
    return RisingAxis(limit=nice(longest) if longest > 0 else 0.1)
