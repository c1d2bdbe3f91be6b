"""Reading everything that a report needs from a warehouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from experiments.contracts import (
    Calibration,
    Exclusion,
    Kind,
    Message,
    MetricDefinition,
    Plan,
    Source,
    gettext_noop,
)
from experiments.evidence import Evidence
from experiments.inference.looks import looks_of
from experiments.inference.primary import primary_metric
from experiments.queries.groups import Group
from experiments.queries.left_out import extent_query, left_out_query
from experiments.queries.moments import Totals, add_rows, groups_of, moments_of, moments_query, skew_of, units_of
from experiments.queries.query import Query, Warehouse
from experiments.queries.scope import BUCKETS, Scope
from experiments.queries.terms import Terms
from experiments.queries.values import values_query
from experiments.stats.counts import Counts, merge_counts, nonzero_quantile
from experiments.stats.estimate import width_of
from experiments.stats.moments import Moments

ROWS_PER_SLICE = 12_000_000  # users are read a slice at a time: that bounds the memory, and people see it move

Progress = Callable[[int, int], None]  # parts done, parts in all


def silent(_done: int, _total: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that a result depends on beside the data, the code and the calibrations.

    ``profiles`` names the version of the warehouse's ``profiles`` relation, "" where none is read.
    """

    plan: Plan
    scope: Scope
    metrics: tuple[MetricDefinition, ...]
    profiles: str = ""


def gather(
    settings: Settings,
    warehouse: Warehouse,
    *,
    source: Source,
    earlier_units: Sequence[int] = (),
    calibrations: Mapping[str, Calibration] | None = None,
    progress: Progress = silent,
) -> Evidence:
    """Read everything that the report needs. ``earlier_units`` are the numbers of units at earlier looks."""
    reader = _Reader(settings, warehouse, rows=source.rows or 0, progress=progress)
    groups, totals = reader.groups, reader.totals
    planned = [arm.key for arm in settings.plan.arms]
    arms = {arm: totals.arms[arm] for arm in planned if arm in totals.arms}
    moments = reader.moments("m")
    units = {arm: int(totals.arms.get(arm, {}).get("n", 0)) for arm in planned}
    return Evidence(
        source=replace(source, first_event=reader.first, last_event=reader.last),
        units=units,
        moments=moments,
        raw=reader.moments("r"),
        caps={key: float(cap) for key, cap in reader.caps.items()},
        values=reader.values,
        segments=reader.segments(),
        novelty=reader.moments("d"),
        exclusions=tuple(_exclusions(settings, totals, reader.left_out)),
        units_in_two_arms=int(totals.arms.get(None, {}).get("n", 0)),
        unknown_arms={
            arm: int(sums["n"]) for arm, sums in totals.arms.items() if arm is not None and arm not in planned
        },
        before=_before(settings, moments),
        skew={
            metric.key: skew_of(arms.values(), groups[f"m{i}"])
            for i, metric in enumerate(settings.metrics)
            if groups[f"m{i}"].cubes
        },
        immature={
            metric.key: sum(int(sums["n"]) - units_of(sums, groups[f"m{i}"]) for sums in arms.values())
            for i, metric in enumerate(settings.metrics)
        },
        late_events=int(str(reader.left_out["late"])),
        events=int(str(reader.left_out["received"])),
        looks=looks_of(settings.plan, sum(units.values()), earlier_units, days=reader.days),
        calibrations=calibrations or {},
    )


class _Reader:
    """The queries of one analysis, in the order in which one needs the answer of the other."""

    def __init__(self, settings: Settings, warehouse: Warehouse, *, rows: int, progress: Progress) -> None:
        self.settings, self.warehouse, self.rows = settings, warehouse, rows
        self.last = _moment(self._one(extent_query(settings.scope))["last"])
        self.scope = replace(settings.scope, seen_until=self._seen_until())
        self.left_out = self._one(left_out_query(self.scope))
        self.first = _moment(self.left_out["first"])
        self.values, self.caps = self._values(), self._caps()
        primary = primary_metric(settings.plan)
        novelty = [primary.key] if primary and primary.kind is not Kind.QUANTILE else []
        self.groups = {
            group.name: group
            for group in groups_of(
                settings.metrics, Terms(), caps=self.caps, novelty=novelty, figures=self.scope.figures
            )
        }
        self.totals = totals_of(
            self.scope,
            settings.metrics,
            warehouse,
            rows=rows,
            caps=self.caps,
            novelty=novelty,
            progress=progress,
        )

    @property
    def days(self) -> float:
        """From the first exposure to the end of the log."""
        return (self.last - self.first) / timedelta(days=1) if self.first and self.last else float("nan")

    def moments(self, prefix: str) -> dict[str, dict[str, Moments]]:
        """Metric key → arm → moments of the groups whose name starts like this."""
        found = {}
        for position, metric in enumerate(self.settings.metrics):
            group = self.groups.get(f"{prefix}{position}")
            if group:
                found[metric.key] = self._by_arm(group)
        return found

    def segments(self) -> dict[str, dict[str, dict[str, dict[str, Moments]]]]:
        """Metric key → dimension → segment → arm → moments."""
        found: dict[str, dict[str, dict[str, dict[str, Moments]]]] = {}
        planned = [arm.key for arm in self.settings.plan.arms]
        for position, metric in enumerate(self.settings.metrics):
            group = self.groups[f"m{position}"]
            for (dimension, segment), arms in sorted(self.totals.segments.items()):
                name = self.scope.segments[dimension]
                found.setdefault(metric.key, {}).setdefault(name, {})[segment] = {
                    arm: moments_of(arms[arm], group) for arm in planned if arm in arms
                }
        return found

    def _by_arm(self, group: Group) -> dict[str, Moments]:
        planned = (arm.key for arm in self.settings.plan.arms)
        return {arm: moments_of(self.totals.arms[arm], group) for arm in planned if arm in self.totals.arms}

    def _seen_until(self) -> datetime | None:
        end = self.settings.scope.end
        # an experiment that has stopped was watched until then, however quiet its last days were
        return end or self.last

    def _values(self) -> dict[str, dict[str, Counts]]:
        """Values by arm of the metrics whose distributions are compared."""
        return {
            metric.key: self._counts(metric)
            for metric in self.settings.metrics
            if metric.ranked or metric.kind is Kind.QUANTILE
        }

    def _counts(self, metric: MetricDefinition, *, numerator: bool = False) -> dict[str, Counts]:
        pairs: dict[str, list[tuple[float, int]]] = {}
        for buckets in slices(self.rows):
            for row in self._rows(values_query(self.scope, metric, numerator=numerator, buckets=buckets)):
                pairs.setdefault(str(row["arm"]), []).append((float(str(row["value"])), int(str(row["n"]))))
        return {arm.key: Counts.from_pairs(pairs.get(arm.key, ())) for arm in self.settings.plan.arms}

    def _caps(self) -> dict[str, int]:
        """The quantile of the non-zero values of all planned arms together, whichever arm they are of."""
        caps = {}
        for metric in self.settings.metrics:
            if metric.winsor:
                pooled = merge_counts(self._counts(metric, numerator=True).values())
                cap = nonzero_quantile(pooled, metric.winsor)
                if cap is not None:
                    caps[metric.key] = int(cap)
        return caps

    def _rows(self, query: Query) -> Sequence[Mapping[str, object]]:
        return self.warehouse.query(query.sql, query.parameters)

    def _one(self, query: Query) -> Mapping[str, object]:
        return self._rows(query)[0]


def totals_of(
    scope: Scope,
    metrics: Sequence[MetricDefinition],
    warehouse: Warehouse,
    *,
    rows: int,
    caps: Mapping[str, int] | None = None,
    novelty: Sequence[str] = (),
    progress: Progress = silent,
) -> Totals:
    """The sums of each arm, read a slice of the users at a time. ``rows`` is about how many events there are."""
    totals = Totals()
    parts = slices(rows)
    for done, buckets in enumerate(parts):
        progress(done, len(parts))
        query = moments_query(scope, metrics, caps=caps, novelty=novelty, buckets=buckets)
        add_rows(totals, warehouse.query(query.sql, query.parameters))
    progress(len(parts), len(parts))
    return totals


def slices(rows: int) -> list[tuple[int, int]]:
    """Ranges of buckets, all equally wide; more of them for more rows."""
    count = 1
    while count < BUCKETS and count * ROWS_PER_SLICE < rows:
        count *= 2
    width = BUCKETS // count
    return [(low, low + width) for low in range(0, BUCKETS, width)]


def _before(settings: Settings, moments: Mapping[str, Mapping[str, Moments]]) -> dict[str, dict[str, Moments]]:
    """The covariates by their names, each on its own."""
    found = {}
    for planned in settings.plan.metrics:
        width = width_of(planned.kind)
        for place, name in enumerate(planned.covariates):
            by_arm = moments.get(planned.key, {})
            found[name] = {arm: one.take([width + place]) for arm, one in by_arm.items()}
    return found


def _exclusions(settings: Settings, totals: Totals, left_out: Mapping[str, object]) -> Iterator[Exclusion]:
    foreign = sum(sums["foreign_money"] for sums in totals.arms.values()) if settings.scope.currency else 0
    counted = (
        ("OUTSIDE_DATES", "exposures", int(str(left_out["outside_dates"])), OUTSIDE_DATES),
        ("WITHOUT_UNIT", "exposures", int(str(left_out["without_unit"])), WITHOUT_UNIT),
        ("TWO_ARMS", "units", int(totals.arms.get(None, {}).get("n", 0)), TWO_ARMS),
        ("OTHER_CURRENCY", "events", int(foreign), OTHER_CURRENCY),
    )
    for code, what, count, template in counted:
        if count:
            params: dict[str, str | int | float] = {"count": count, "currency": settings.scope.currency}
            yield Exclusion(code=code, count=count, what=what, message=Message(template=template, params=params))


OUTSIDE_DATES = gettext_noop("Exposures outside the dates of the experiment: %(count)d.")
WITHOUT_UNIT = gettext_noop("Exposures that do not name their unit: %(count)d.")
TWO_ARMS = gettext_noop("Units that were exposed to two arms: %(count)d.")
OTHER_CURRENCY = gettext_noop("Events with money in another currency than %(currency)s: %(count)d.")


def _moment(microseconds: object) -> datetime | None:
    if microseconds is None:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(str(microseconds)))
