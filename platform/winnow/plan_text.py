"""A plan in sentences, and a picture of the smallest effect by days, for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator

from experiments import figures
from experiments.contracts import Reason, Stopping
from experiments.services.planning import Planned
from experiments.stats.forecast import MOST_DAYS, Point, Target

BAR = 30  # characters of the longest one
EIGHTHS = " ▏▎▍▌▋▊▉"
Z = 1.96  # the baseline is written with as many digits as its 95 % interval supports

# Why nothing is known, and what can be done about it.
NO_BASELINE = {
    Reason.NO_UNITS: "none was there long enough to respond: take more --recent-days, another --unit, or wait",
    Reason.TOO_FEW_UNITS: "one is not enough: take more --recent-days, or wait",
    Reason.NO_VARIANCE: "all have the same value: are the metric's events sent (docs/events.md)?",
    Reason.NO_DENOMINATOR: "none has an event that the metric divides by: are they sent (docs/events.md)?",
    Reason.MISSING: "a value is missing or too large",
}
NO_TARGET = {
    Reason.ZERO_BASELINE: "the baseline is 0, of which there is no percentage: give a difference with --absolute",
    Reason.UNBOUNDED: "no number of units is enough",
}
# Why a day shows nothing.
NO_EFFECT = {
    Reason.NO_UNITS: "no units yet",
    Reason.TOO_FEW_UNITS: "too few units in an arm",
    Reason.TOO_EARLY: "too early: a sequence waits for 100 units, and 20 conversions, an arm",
    Reason.UNBOUNDED: "none: so few cannot show any effect",
}
LOOKS = {
    Stopping.ONCE: "one look at the end",
    Stopping.SPENDING: "daily looks up to a planned end",
    Stopping.SEQUENCE: "any looks, without a planned end",
}


def plan_to_text(planned: Planned, lake_version: int) -> list[str]:
    """The lines of a plan for a terminal."""
    lines = [*_facts(planned, lake_version), ""]
    if planned.forecast.reasons:
        why = "; ".join(NO_BASELINE[reason] for reason in planned.forecast.reasons)
        return [*lines, f"Nothing can be planned. Of {_units(planned, planned.units)}, {why}"]
    if planned.target is not None:
        lines += [*_target(planned, planned.target), ""]
    if planned.window is not None:
        lines += [*_window(planned, planned.window), ""]
    return [*lines, *_curve(planned)]


def _facts(planned: Planned, lake_version: int) -> Iterator[str]:
    forecast, baseline, design = planned.forecast, planned.forecast.baseline, planned.forecast.design
    start, end = (f"{moment:%Y-%m-%d %H:%M}" for moment in (planned.start, planned.end))
    yield f"{planned.metric.name} ({planned.metric.key}): {start} to {end} UTC, lake version {lake_version}"
    yield ""
    sd = math.sqrt(baseline.var)
    spread = Z * sd / math.sqrt(planned.units) if planned.units else math.nan
    written = [figures.value(one, planned.metric.scale, planned.currency, spread=spread) for one in (baseline.mean, sd)]
    yield f"baseline    {written[0]}, sd {written[1]}, of {_units(planned, planned.units)} in {_days(planned.days)}"
    if planned.metric.covariate_days:
        before = f"the metric over the {_days(planned.metric.covariate_days)} before"
        yield f"covariate   {before} takes away {baseline.reduction:.1%} of the variance"
    daily = forecast.traffic.daily_new
    yield (
        f"traffic     {_units(planned, sum(daily))} in {_days(planned.days)},"
        f" {figures.count(daily[0])} new on the first, {figures.count(daily[-1])} on the last"
    )
    split = ":".join(f"{weight:g}" for weight in design.weights)
    yield f"design      {len(design.weights)} arms ({split}), power {design.power:g}, alpha {design.alpha:g}"
    yield f"stopping    {forecast.stopping}: {LOOKS[forecast.stopping]}"
    if forecast.wait_days:
        yield f"response    a {planned.unit} counts {_days(forecast.wait_days)} after it came"


def _target(planned: Planned, target: Target) -> Iterator[str]:
    asked = _effect(planned, target.effect, target.rel_effect, sign="+")
    if math.isnan(target.units):
        yield f"To find {asked}: {'; '.join(NO_TARGET[reason] for reason in target.reasons)}."
        return
    arms = " : ".join(figures.count(int(units)) for units in target.arms)
    yield f"To find {asked}: {_units(planned, target.units)} ({arms})."
    if target.inflation > 1:
        yield f"That is {target.inflation:.3f} times what one look needs."
    if target.days is None or target.whole_weeks is None:
        yield f"So many do not come within {MOST_DAYS} days: find a larger effect, or use a covariate."
        return
    forecast = ", by a forecast beyond the days that were measured" if target.extrapolated else ""
    yield f"Run time: {_days(target.days)}, {target.whole_weeks} in whole weeks{forecast}."


def _window(planned: Planned, window: Point) -> Iterator[str]:
    if math.isnan(window.effect):
        yield f"In {_days(window.day)}: {_why(window)}."
        return
    shown = _effect(planned, window.effect, window.rel_effect)
    yield f"In {_days(window.day)}: {_units(planned, window.units)}, smallest effect {shown}."
    if planned.target is not None and not math.isnan(window.power):
        asked = _effect(planned, planned.target.effect, planned.target.rel_effect, sign="+")
        yield f"There the power to find {asked} is {window.power:.1%}."


def _curve(planned: Planned) -> Iterator[str]:
    relative = all(math.isnan(point.effect) or not math.isnan(point.rel_effect) for point in planned.curve)
    sizes = [abs(point.rel_effect if relative else point.effect) for point in planned.curve]
    longest = max((size for size in sizes if not math.isnan(size)), default=1.0)
    counts = [figures.count(int(point.units)) for point in planned.curve]
    shown = [_shown(planned, point) for point in planned.curve]
    width, column = max(len(f"{planned.unit}s"), *map(len, counts)), max(map(len, shown))
    yield f"days  {f'{planned.unit}s':>{width}}  smallest effect"
    for point, units, text, size in zip(planned.curve, counts, shown, sizes, strict=True):
        mark = "*" if point.extrapolated else " "
        yield f"{point.day:>4}{mark} {units:>{width}}  {text:<{column}}  {_bar(size / longest)}".rstrip()
    if any(point.extrapolated for point in planned.curve):
        yield f"* a forecast: {_days(planned.days)} of traffic measured; nothing is known beyond twice as many"
    run = planned.window.day if planned.window else planned.target.whole_weeks if planned.target else None
    if run and run < planned.days and planned.metric.window_days is None:
        yield f"A {planned.unit} does more in more days: --recent-days {run} measures as many as it would run."


def _shown(planned: Planned, point: Point) -> str:
    return _why(point) if math.isnan(point.effect) else _effect(planned, point.effect, point.rel_effect)


def _why(point: Point) -> str:
    return "; ".join(NO_EFFECT.get(reason, "not known") for reason in point.reasons)


def _effect(planned: Planned, effect: float, rel_effect: float, *, sign: str = "") -> str:
    """An effect, relative first, with three digits."""
    absolute = figures.difference(effect, planned.metric.scale, planned.currency, spread=abs(effect) / 10)
    absolute = absolute if sign else absolute.replace("+", "", 1)
    if math.isnan(rel_effect):
        return absolute
    return absolute if math.isnan(effect) else f"{_percent(rel_effect, sign)} ({absolute})"


def _percent(fraction: float, sign: str) -> str:
    digits = min(max(2 - math.floor(math.log10(abs(100 * fraction))), 0), figures.MOST_DECIMALS) if fraction else 0
    return f"{100 * fraction:{sign},.{digits}f}%"


def _units(planned: Planned, number: float) -> str:
    return f"{figures.count(int(number))} {planned.unit}s"


def _days(number: int) -> str:
    return f"{number} day" if number == 1 else f"{number} days"


def _bar(share: float) -> str:
    """A bar of this share of the longest one, exact to an eighth of a character.

    >>> _bar(0.05), _bar(float("nan"))
    ('█▌', '')
    """
    if math.isnan(share):
        return ""
    whole, eighths = divmod(round(share * BAR * 8), 8)
    return "█" * whole + EIGHTHS[eighths].strip()
