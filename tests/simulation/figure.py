"""One measured figure and the bar it must lie in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """``value`` as it was simulated; it passes where ``low`` ≤ value ≤ ``high``."""

    name: str
    value: float
    low: float
    high: float
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the bar is met."""
        return self.low <= self.value <= self.high
