"""What the metrics of a query count and sum per unit, each event name and each term once."""

from __future__ import annotations

from dataclasses import dataclass, field

from experiments.contracts import Term
from experiments.queries.scope import EXPOSURE


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Days since first exposure: ``after`` included, ``until`` not; None is open. ``before`` is days before it."""

    after: int | None = None
    until: int | None = None
    before: int | None = None


@dataclass(slots=True)
class Terms:
    """Names for event kinds and for per-unit sums, given out as they are asked for."""

    events: dict[str, int] = field(default_factory=lambda: {EXPOSURE: 0})  # name → kind
    columns: dict[tuple[str, bool, Window], str] = field(default_factory=dict)  # → name of the per-unit sum

    def bind(self, term: Term, window: Window) -> str:
        """The column that holds this term over this window."""
        self.events.setdefault(term.event, len(self.events))
        return self.columns.setdefault((term.event, term.value, window), f"t{len(self.columns)}")

    @property
    def days_before(self) -> int:
        """How far before exposure any term looks."""
        return max((window.before or 0 for _, _, window in self.columns), default=0)

    def bounds(self, first_at: str) -> list[str]:
        """The moments between which the terms count, one column each, from the SQL of the unit's first exposure.

        They belong to the step that has one row per unit: adding days to a timestamp costs more than all else does, and
        there are many events per unit.
        """
        return [
            f"{first_at} {'-' if days < 0 else '+'} INTERVAL {abs(days)} DAY AS {_name(days)}" for days in self._days
        ]

    def names(self, table: str) -> list[str]:
        """Those columns in later steps."""
        return [f"{table}.{_name(days)}" for days in self._days]

    def start(self, table: str) -> str:
        """From when on events of a unit are wanted."""
        return f"{table}.{_name(-self.days_before)}" if self.days_before else f"{table}.first_at"

    def sql(self) -> list[str]:
        """Every per-unit sum with its name."""
        return [f"{self._sum(*term)} AS {name}" for term, name in self.columns.items()]

    def _sum(self, event: str, value: bool, window: Window) -> str:
        condition = f"kind = {self.events[event]}" + "".join(f" AND {part}" for part in self._within(window))
        if value:
            return f"COALESCE(SUM(value) FILTER (WHERE {condition} AND foreign_money = 0), 0)"
        return f"COUNT(*) FILTER (WHERE {condition})"

    def _within(self, window: Window) -> list[str]:
        if window.before is not None:
            return ["timestamp < first_at", f"timestamp >= {_name(-window.before)}"]
        parts = []
        if window.after is not None:
            parts.append(f"timestamp >= {_name(window.after)}")
        elif self.days_before:  # otherwise every event that was joined is late enough
            parts.append("timestamp >= first_at")
        if window.until is not None:
            parts.append(f"timestamp < {_name(window.until)}")
        return parts

    @property
    def _days(self) -> list[int]:
        windows = [window for _, _, window in self.columns]
        before = {-window.before for window in windows if window.before is not None}
        return sorted(before | {days for one in windows for days in (one.after, one.until) if days is not None})


def _name(days: int) -> str:
    return f"before_{-days}" if days < 0 else f"after_{days}"
