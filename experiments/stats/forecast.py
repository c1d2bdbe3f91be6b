"""A plan on recent traffic: what one effect needs, and what each length can show, looks in between included."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from experiments.contracts import Kind, Reason, Stopping
from experiments.stats.inflation import daily_looks, inflation
from experiments.stats.planning import Baseline, Design, detectable_effect, power_of, sample_size
from experiments.stats.sequence import FEWEST_CONVERSIONS, FEWEST_UNITS
from experiments.stats.traffic import WEEK, Traffic

MOST_DAYS = 365
MOST_ROUNDS = 10  # more looks need more units, and more units take more looks: two settle it
SETTLED = 1.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What one effect needs. ``units`` and ``arms`` hold the stopping plan's ``inflation`` at so many ``looks``.

    ``days`` is the first day by whose end the units have come and had time to respond, ``whole_weeks`` the days of the
    weeks until then; None, and reasons, where no such day is known. ``extrapolated``: later than the traffic that was
    seen.
    """

    effect: float
    rel_effect: float
    units: float
    arms: tuple[float, ...]
    inflation: float
    looks: int
    days: int | None = None
    whole_weeks: int | None = None
    extrapolated: bool = False
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The smallest increase that an experiment can show that ends with this day.

    ``units`` have come and had time to respond. ``power`` is the chance to find the effect that was asked for, nan
    without one.
    """

    day: int
    units: float
    effect: float
    rel_effect: float
    inflation: float
    power: float = math.nan
    extrapolated: bool = False
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is known before an experiment begins. The ``design``'s inflation is not used: the stopping plan gives it.

    ``wait_days`` is how long a unit needs to respond: one that came later does not count. ``reasons`` say why the
    baseline is not known.

    >>> traffic = Traffic(daily_new=(2500,) * 28)
    >>> forecast = Forecast(baseline=Baseline(mean=10.0, var=400.0), traffic=traffic, design=Design())
    >>> found = forecast.target(rel_effect=0.05)
    >>> found.units, found.days, found.whole_weeks, found.looks
    (52616.0, 22, 28, 21)
    """

    baseline: Baseline
    traffic: Traffic
    design: Design
    stopping: Stopping = Stopping.SPENDING
    wait_days: int = 0
    reasons: tuple[Reason, ...] = ()

    @property
    def fewest(self) -> float:
        """Units that each arm must have before the stopping plan lets anything be read."""
        if self.stopping is not Stopping.SEQUENCE:
            return 0.0
        counts = self.baseline.kind is Kind.PROPORTION and self.baseline.mean > 0
        return max(FEWEST_UNITS, FEWEST_CONVERSIONS / self.baseline.mean if counts else 0.0)

    def target(self, *, effect: float | None = None, rel_effect: float | None = None) -> Target:
        """How many units and days an effect needs.

        The first looks are those until one look's units are in; more units mean more looks, until neither grows.

        Args:
            effect: treatment minus control, not 0; or
            rel_effect: the same as a fraction of the control's value.

        Raises:
            InvalidInput: no effect, both, or one that is 0 or not finite.
        """
        arrivals = self.traffic.arrivals(MOST_DAYS)
        looks: tuple[float, ...] = (1.0,)
        design = self._design(looks)
        size = sample_size(self.baseline, design, effect=effect, rel_effect=rel_effect)
        for _ in range(MOST_ROUNDS):
            if size.reasons or self.stopping is not Stopping.SPENDING:
                break
            further = daily_looks(arrivals, size.units)
            larger = self._design(further)
            again = sample_size(self.baseline, larger, effect=effect, rel_effect=rel_effect)
            if again.units <= size.units:
                break
            grown = again.units / size.units
            looks, design, size = further, larger, again
            if grown < SETTLED:
                break
        mean, arms = self.baseline.mean, self._enough(size.arms)
        absolute = effect if effect is not None else _product(rel_effect, mean)
        needed = Target(
            effect=absolute,
            rel_effect=rel_effect if rel_effect is not None else _share(absolute, mean),
            units=sum(arms),
            arms=arms,
            inflation=design.inflation,
            looks=len(looks),
            reasons=self.reasons or size.reasons,
        )
        return needed if needed.reasons else self._timed(needed, arrivals)

    def point(self, day: int, *, effect: float | None = None, rel_effect: float | None = None) -> Point:
        """What an experiment that ends with this day can show; with an effect, its power too."""
        arrivals = self.traffic.arrivals(max(day - self.wait_days, 0))
        units = arrivals[-1] if arrivals else 0.0
        known = units > 0 and min(self.design.shares) * units >= self.fewest and not self.reasons
        design = self._design(daily_looks(arrivals, units)) if known else self.design
        found = detectable_effect(self.baseline, units if known else 0.0, design)
        reasons = (Reason.TOO_EARLY,) if units and not known else found.reasons
        asked = known and not (effect is None and rel_effect is None)
        return Point(
            day=day,
            units=units,
            effect=found.effect,
            rel_effect=found.rel_effect,
            inflation=design.inflation,
            power=power_of(self.baseline, units, design, effect=effect, rel_effect=rel_effect) if asked else math.nan,
            extrapolated=len(arrivals) > len(self.traffic.daily_new),
            reasons=self.reasons or reasons,
        )

    def _enough(self, arms: tuple[float, ...]) -> tuple[float, ...]:
        """The arms, or where they are too small for the stopping plan, larger ones in the same proportions."""
        factor = self.fewest / min(arms)
        return tuple(float(math.ceil(arm * factor)) for arm in arms) if factor > 1 else arms

    def _design(self, looks: tuple[float, ...]) -> Design:
        return replace(self.design, inflation=inflation(self.stopping, self.design, looks))

    def _timed(self, needed: Target, arrivals: Sequence[float]) -> Target:
        for day, units in enumerate(arrivals[: MOST_DAYS - self.wait_days], 1):
            if units >= needed.units:
                days = day + self.wait_days
                return replace(
                    needed,
                    days=days,
                    whole_weeks=-(-days // WEEK) * WEEK,
                    extrapolated=day > len(self.traffic.daily_new),
                )
        return replace(needed, reasons=(Reason.TOO_FEW_UNITS,))


def _product(fraction: float | None, mean: float) -> float:
    return math.nan if fraction is None else fraction * mean


def _share(effect: float, mean: float) -> float:
    return effect / mean if mean else math.nan
