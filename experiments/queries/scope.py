"""Which events belong to an experiment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from experiments.contracts import Unit
from experiments.queries.query import Value

EXPOSURE = "Experiment Viewed"
BUCKETS = 64  # of the ``bucket`` column: a stable hash of the user
WHOLE = (0, BUCKETS)

UNIT_COLUMNS = {Unit.USER: "user_id", Unit.IMPRESSION: "ranking_id"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """``start`` is included, ``end`` is not; without an end all later events belong.

    ``seen_until`` is how far the log goes: a unit counts for a window only if the window had passed by then; None takes
    the end. ``segments`` tell units apart: properties of the exposure, or "profile." and a segment of the profile;
    ``figures`` are those of the profile by which metrics are adjusted.
    """

    experiment: str
    unit: Unit
    start: datetime
    end: datetime | None
    currency: str
    seen_until: datetime | None = None
    segments: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()

    @property
    def unit_column(self) -> str:
        """The column that names the unit."""
        return UNIT_COLUMNS[self.unit]

    @property
    def watched_until(self) -> datetime:
        """How far the log goes; of an empty one without an end the start, by which nobody had time to respond."""
        return self.seen_until or self.end or self.start

    def dates(self, days_before: int = 0) -> str:
        """The condition on ``timestamp``."""
        start = f"$start - INTERVAL {int(days_before)} DAY" if days_before else "$start"
        return f"timestamp >= {start}" + ("" if self.end is None else " AND timestamp < $end")

    def date_values(self) -> dict[str, Value]:
        """The parameters of that condition."""
        dates: dict[str, Value] = {"start": self.start}
        return dates if self.end is None else dates | {"end": self.end}
