"""How long an experiment must run on recent traffic, and which effect a given number of days can show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate

from experiments.contracts import Reason
from experiments.errors import InvalidInput
from experiments.stats.planning import Baseline, Design, Detectable, detectable_effect, sample_size

WEEK = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Units seen for the first time on each of the last days, oldest first.

    First within these days, as an experiment that began on the oldest would have met them: units that return are not
    counted again, so the numbers fall.

    >>> traffic = Traffic(daily_new=(100, 41, 32, 27, 24, 21, 20, 18, 17, 17, 15, 15, 15, 14))
    >>> round(traffic.exponent, 2), traffic.units_by(14), traffic.units_by(28)
    (0.51, 376.0, 535.0)
    """

    daily_new: tuple[int, ...]

    def __post_init__(self) -> None:
        for count in self.daily_new:
            if not 0 <= count < math.inf:
                raise InvalidInput("daily_new", f"{count} must be at least 0")

    @property
    def exponent(self) -> float:
        """b of n(d) ∝ d^b: the slope of ln n on ln d over the later half of the days, within [0, 1].

        The later half, because the curve of units that return bends: its beginning says too much. 1, a constant rate,
        where there is less than a week, or no units before the last three days.
        """
        total = tuple(accumulate(self.daily_new))
        days = [day for day in range(len(total) // 2 + 1, len(total) + 1) if total[day - 1] > 0]
        if len(total) < WEEK or len(days) < 3:
            return 1.0
        x = [math.log(day) for day in days]
        y = [math.log(total[day - 1]) for day in days]
        middle = math.fsum(x) / len(x)
        slope = math.fsum((a - middle) * b for a, b in zip(x, y, strict=True)) / math.fsum((a - middle) ** 2 for a in x)
        return min(max(slope, 0.0), 1.0)

    def arrivals(self, days: int) -> tuple[float, ...]:
        """The number of different units by the end of day 1, 2, …, ``days``; nan where no day has been recorded.

        n(d) as counted on the days that were seen; beyond them n(D) (d / D)^b, D the last day seen, b the
        :attr:`exponent`. Whole days and units only: nothing is known about when in a day units come.

        Raises:
            InvalidInput: ``days`` below 0.
        """
        if days < 0:
            raise InvalidInput("days", f"{days} must be at least 0")
        seen = [float(count) for count in accumulate(self.daily_new)][:days]
        if not self.daily_new:
            return (math.nan,) * days
        last, power = len(self.daily_new), self.exponent
        return (*seen, *(float(round(seen[-1] * (day / last) ** power)) for day in range(last + 1, days + 1)))

    def units_by(self, day: int) -> float:
        """The number of different units by the end of a day; 0 before the first."""
        return self.arrivals(day)[-1] if day else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTime:
    """How many days it takes until ``units`` have come; None, and reasons, where no such day is known.

    ``extrapolated`` says that it is later than the traffic that was seen.
    """

    days: int | None
    units: float
    extrapolated: bool = False
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """The smallest effect that can be shown at the end of a day; nan where nothing can."""

    day: int
    units: float
    effect: float
    rel_effect: float


def run_time(
    baseline: Baseline,
    rel_effect: float,
    design: Design,
    traffic: Traffic,
    max_days: int,
    *,
    whole_weeks: bool = False,
) -> RunTime:
    """The first day by whose end the planned number of units has come.

    Args:
        baseline: the control's value, and variance per unit.
        rel_effect: relative effect to find.
        design: error rate, power, split; its inflation is the price of the stopping plan.
        traffic: recent days.
        max_days: the longest that is acceptable.
        whole_weeks: only consider the ends of weeks, so that every weekday counts alike.

    Returns:
        days, and the units needed; ``TOO_FEW_UNITS`` where they do not come within ``max_days``, ``MISSING`` where no
        traffic has been recorded, and the reasons of :func:`sample_size`.

    Raises:
        InvalidInput: no effect, or max_days below 0.

    >>> run_time(Baseline(mean=10.0, var=400.0), 0.05, Design(), Traffic(daily_new=(2500,) * 14), 60, whole_weeks=True)
    RunTime(days=21, units=50236.0, extrapolated=True, reasons=())
    """
    size = sample_size(baseline, design, rel_effect=rel_effect)
    arrivals = traffic.arrivals(max_days)
    reasons = size.reasons if traffic.daily_new else (*size.reasons, Reason.MISSING)
    if reasons:
        return RunTime(days=None, units=size.units, reasons=reasons)
    step = WEEK if whole_weeks else 1
    for day in range(step, max_days + 1, step):
        if arrivals[day - 1] >= size.units:
            return RunTime(days=day, units=size.units, extrapolated=day > len(traffic.daily_new))
    return RunTime(days=None, units=size.units, reasons=(Reason.TOO_FEW_UNITS,))


def effect_curve(baseline: Baseline, design: Design, traffic: Traffic, days: int) -> tuple[CurvePoint, ...]:
    """The minimum detectable effect at the end of day 1, 2, …, ``days``.

    Raises:
        InvalidInput: ``days`` below 0.

    >>> curve = effect_curve(Baseline(mean=10.0, var=400.0), Design(), Traffic(daily_new=(2500,) * 7), 28)
    >>> [(point.day, round(point.rel_effect, 3)) for point in curve if point.day % 14 == 0]
    [(14, 0.06), (28, 0.042)]
    """
    points = (_smallest(baseline, design, units) for units in traffic.arrivals(days))
    return tuple(
        CurvePoint(day=day, units=found.units, effect=found.effect, rel_effect=found.rel_effect)
        for day, found in enumerate(points, 1)
    )


def smallest_effect(baseline: Baseline, design: Design, traffic: Traffic, days_in_window: int) -> Detectable:
    """The minimum detectable effect of a campaign whose end is fixed: that of the units its days will bring.

    Raises:
        InvalidInput: ``days_in_window`` below 0.

    >>> found = smallest_effect(Baseline(mean=10.0, var=400.0), Design(), Traffic(daily_new=(2500,) * 7), 10)
    >>> found.units, round(found.rel_effect, 3)
    (25000.0, 0.071)
    """
    return _smallest(baseline, design, traffic.units_by(days_in_window))


def _smallest(baseline: Baseline, design: Design, units: float) -> Detectable:
    if math.isnan(units):
        return Detectable(units=units, effect=math.nan, rel_effect=math.nan, reasons=(Reason.MISSING,))
    return detectable_effect(baseline, units, design)
