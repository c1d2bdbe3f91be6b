"""What recent events say about an experiment that has not begun: how many units, how many days, which effect."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches

import numpy as np

from experiments.contracts import Kind, MetricDefinition, Reason, Stopping, Unit
from experiments.errors import InvalidInput
from experiments.metrics.builtin import BUILTIN_METRICS
from experiments.models import Metric
from experiments.queries.arrivals import arrivals_query, dates_query
from experiments.queries.groups import ripe_days
from experiments.queries.query import Query, Warehouse
from experiments.queries.recent import currency_query, recent_groups, recent_query
from experiments.selectors import metric_definitions
from experiments.services.calibration import DAYS, MOST_UNITS, capped
from experiments.services.lifecycle import MOST_COVARIATE_DAYS
from experiments.stats.adjustment import adjust
from experiments.stats.estimate import estimate
from experiments.stats.forecast import MOST_DAYS, Forecast, Point, Target
from experiments.stats.moments import Moments
from experiments.stats.planning import Baseline, Design
from experiments.stats.traffic import Traffic

CURVE_DAYS = (7, 14, 21, 28, 42, 56)
MOST_ARMS, LEAST_ALPHA, MOST_POWER = 10, 1e-4, 0.999  # beyond, the bounds of daily looks take too long
NO_EVENTS = "there are none to plan with; send some (docs/events.md) or run `winnow demo`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan, and what it was measured on: ``units`` seen from ``start`` (included) to ``end`` (not included).

    ``forecast`` holds baseline, traffic, design and stopping plan; money is in minor units of ``currency``. ``target``
    is there if an effect was asked for, ``window`` if a number of days was.
    """

    metric: MetricDefinition
    unit: Unit
    currency: str
    start: datetime
    end: datetime
    units: int
    forecast: Forecast
    target: Target | None
    window: Point | None
    curve: tuple[Point, ...]

    @property
    def days(self) -> int:
        """How many days were measured."""
        return len(self.forecast.traffic.daily_new)


def plan(
    warehouse: Warehouse,
    metric_key: str,
    *,
    effect: float | None = None,
    rel_effect: float | None = None,
    days: int | None = None,
    design: Design | None = None,
    stopping: Stopping = Stopping.SPENDING,
    unit: Unit = Unit.USER,
    covariate_days: int | None = None,
    recent_days: int = DAYS,
    limit: int = MOST_UNITS,
) -> Planned:
    """Plan an experiment on one metric with the units of the last days before the newest event.

    Args:
        warehouse: where the events are; the same events give the same plan, whatever the time is.
        metric_key: built-in or user-defined, not a quantile.
        effect: treatment minus control to find, in the metric's own unit (a fraction, minor units of money); or
        rel_effect: the same as a fraction of the control's value. Without either there is no target.
        days: the length of a campaign whose end is fixed.
        design: error rate, power, split; its inflation is not used, the stopping plan gives it.
        stopping: how often the result may be read; spending looks daily.
        unit: what is randomised.
        covariate_days: adjust by the metric over so many days before; None leaves it to the metric, 0 does not adjust.
        recent_days: to measure; fewer where the events do not go back so far.
        limit: at most so many units for the baseline.

    Returns:
        the plan; nan and reasons where the recent units cannot answer.

    Raises:
        InvalidInput: an argument that breaks these rules, or no events at all.
    """
    design = design or Design()
    _check(design, days, covariate_days, recent_days)
    if effect is not None and rel_effect is not None:
        raise InvalidInput("effect", "give either effect or rel_effect")
    metric = find_metric(metric_key)
    if covariate_days is not None:
        metric = replace(metric, covariate_days=covariate_days or None)
    start, end = _dates(warehouse, recent_days)
    currency = _currency(warehouse, start, end)
    query = recent_query([metric], unit=unit, start=start, end=end, currency=currency, limit=limit)
    moments = _moments(warehouse, metric, query)
    baseline = Baseline.from_moments(moments, metric.kind, reduction=_reduction(moments, metric))
    forecast = Forecast(
        baseline=baseline,
        traffic=_traffic(warehouse, unit, start, end),
        design=replace(design, inflation=1.0),
        stopping=stopping,
        wait_days=ripe_days(metric) or 0,
        reasons=estimate(moments, metric.kind).reasons or baseline.reasons,
    )
    asked = effect is not None or rel_effect is not None
    target = forecast.target(effect=effect, rel_effect=rel_effect) if asked else None
    points = {
        day: forecast.point(day, effect=effect, rel_effect=rel_effect)
        for day in sorted({*CURVE_DAYS, *(() if days is None else (days,))})
    }
    return Planned(
        metric=metric,
        unit=unit,
        currency=currency,
        start=start,
        end=end,
        units=moments.n,
        forecast=forecast,
        target=target,
        window=None if days is None else points[days],
        curve=tuple(points.values()),
    )


def find_metric(key: str) -> MetricDefinition:
    """The metric to plan with. Raises InvalidInput, with the nearest name, for a key that nobody defined."""
    own = Metric.objects.order_by("key").values_list("key", flat=True)
    known = dict.fromkeys([*(metric.key for metric in BUILTIN_METRICS), *own])
    if key not in known:
        close = get_close_matches(key, known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise InvalidInput("metric", f"{key!r} is not defined; {hint}there are {', '.join(known)}")
    (metric,) = metric_definitions([key])
    if metric.kind is Kind.QUANTILE:
        raise InvalidInput("metric", f"{key!r} must not be a quantile, which has no variance per unit to plan with")
    return metric


def recent_currency(warehouse: Warehouse, recent_days: int = DAYS) -> str:
    """The currency of most events with money in the days of a plan; empty where there is none."""
    return _currency(warehouse, *_dates(warehouse, recent_days))


def plan_to_json(planned: Planned) -> dict[str, object]:
    """A plan as a strict JSON object for programs: null where data cannot answer, with the reasons beside it."""
    forecast, baseline, design = planned.forecast, planned.forecast.baseline, planned.forecast.design
    return {
        "metric": planned.metric.key,
        "kind": str(planned.metric.kind),
        "scale": str(planned.metric.scale),
        "currency": planned.currency,
        "unit": str(planned.unit),
        "start": planned.start.isoformat(),
        "end": planned.end.isoformat(),
        "days": planned.days,
        "baseline": {
            "units": planned.units,
            "mean": _number(baseline.mean),
            "var": _number(baseline.var),
            "reduction": _number(baseline.reduction),
            "covariate_days": planned.metric.covariate_days,
            "reasons": [str(reason) for reason in forecast.reasons],
        },
        "daily_new": list(forecast.traffic.daily_new),
        "design": {
            "alpha": design.alpha,
            "power": design.power,
            "weights": list(design.weights),
            "level": design.level,
            "stopping": str(forecast.stopping),
            "wait_days": forecast.wait_days,
        },
        "target": None if planned.target is None else _plain(planned.target),
        "window": None if planned.window is None else _plain(planned.window),
        "curve": [_plain(point) for point in planned.curve],
    }


def _plain(one: Target | Point) -> dict[str, object]:
    return {field.name: _value(getattr(one, field.name)) for field in fields(one)}


def _value(value: object) -> object:
    if isinstance(value, tuple):
        return [_value(part) for part in value]
    if isinstance(value, Reason):
        return str(value)
    return _number(value) if isinstance(value, float) else value


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _check(design: Design, days: int | None, covariate_days: int | None, recent_days: int) -> None:
    """What a plan cannot be made of; the design has checked itself."""
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise InvalidInput("days", f"{days} must be 1 to {MOST_DAYS}")
    if not 1 <= recent_days <= MOST_DAYS:
        raise InvalidInput("recent_days", f"{recent_days} must be 1 to {MOST_DAYS}")
    if covariate_days is not None and not 0 <= covariate_days <= MOST_COVARIATE_DAYS:
        raise InvalidInput("covariate_days", f"{covariate_days} must be 0 to {MOST_COVARIATE_DAYS}")
    if len(design.weights) > MOST_ARMS:
        raise InvalidInput("arms", f"{len(design.weights)} must be at most {MOST_ARMS}")
    if design.alpha < LEAST_ALPHA:
        raise InvalidInput("alpha", f"{design.alpha:g} must be at least {LEAST_ALPHA:g}")
    if design.power > MOST_POWER:
        raise InvalidInput("power", f"{design.power:g} must be at most {MOST_POWER:g}")


def _dates(warehouse: Warehouse, recent_days: int) -> tuple[datetime, datetime]:
    """The last whole days up to the newest event: at least one, and none from before the first event."""
    found = _rows(warehouse, dates_query())[0]
    if found["last"] is None:
        raise InvalidInput("events", NO_EVENTS)
    first, last = (_moment(float(str(found[name]))) for name in ("first", "last"))
    end = last + timedelta(microseconds=1)
    return end - timedelta(days=max(min(recent_days, (end - first).days), 1)), end


def _moment(seconds: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(seconds * 1e6))


def _currency(warehouse: Warehouse, start: datetime, end: datetime) -> str:
    found = _rows(warehouse, currency_query(start=start, end=end))
    return str(found[0]["currency"]) if found else ""


def _traffic(warehouse: Warehouse, unit: Unit, start: datetime, end: datetime) -> Traffic:
    rows = _rows(warehouse, arrivals_query(unit=unit, start=start, end=end))
    found = {int(str(row["day"])): int(str(row["units"])) for row in rows}
    return Traffic(daily_new=tuple(found.get(day, 0) for day in range((end - start).days)))


def _moments(warehouse: Warehouse, metric: MetricDefinition, query: Query) -> Moments:
    """Of the units that had time to respond: the metric's columns, capped as its reports are, and its covariates."""
    rows = _rows(warehouse, query)
    (group,) = recent_groups([metric])
    columns = np.array(
        [[math.nan if row[name] is None else int(str(row[name])) for row in rows] for name in group.names]
    )
    ripe = columns[:, ~np.isnan(columns[0])]
    if metric.winsor is not None:
        ripe[0] = capped(ripe[0], metric.winsor)
    return Moments.from_arrays(*ripe)


def _reduction(moments: Moments, metric: MetricDefinition) -> float:
    """The share of the variance that the covariates take away; one that makes things worse counts as 0."""
    found = adjust({"all": moments}, metric.kind).reduction if metric.covariate_days else 0.0
    return min(max(found, 0.0), 1.0) if math.isfinite(found) else 0.0


def _rows(warehouse: Warehouse, query: Query) -> Sequence[Mapping[str, object]]:
    return warehouse.query(query.sql, query.parameters)
