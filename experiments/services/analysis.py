"""From a warehouse to a frozen report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from django.utils import timezone
from pydantic import TypeAdapter

from experiments.contracts import (
    Exclusion,
    Message,
    MetricDefinition,
    Plan,
    PlannedArm,
    PlannedMetric,
    Role,
    Source,
    Unit,
    gettext_noop,
)
from experiments.models import Analysis, Experiment
from experiments.queries.moments import BUCKETS, ArmTotals, Scope, add_rows, left_out_query, moments_of, moments_query
from experiments.queries.query import Warehouse
from experiments.rendering import freeze
from experiments.reports import Evidence, build_report
from experiments.selectors import metric_definitions

ROWS_PER_SLICE = 12_000_000  # users are read a slice at a time: that bounds the memory, and people see it move

ROLE_ORDER = (Role.PRIMARY, Role.GUARDRAIL, Role.SECONDARY)

Progress = Callable[[int, int], None]  # parts done, parts in all


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that a result depends on beside the data and the code."""

    plan: Plan
    scope: Scope
    metrics: tuple[MetricDefinition, ...]


def settings_of(experiment: Experiment) -> Settings:
    """The settings under which an experiment that has started is analysed."""
    start = experiment.require_started()
    chosen = sorted(experiment.metrics.all(), key=lambda row: ROLE_ORDER.index(Role(row.role)))
    definitions = metric_definitions(row.metric_key for row in chosen)
    arms = tuple(
        PlannedArm(key=arm.key, weight=arm.weight, name=arm.name, strategy=arm.strategy)
        for arm in experiment.arms.all()
    )
    plan = Plan(
        title=experiment.name,
        unit=Unit(experiment.unit),
        unit_note=experiment.unit_note,
        arms=arms,
        metrics=tuple(
            _planned(definition, Role(row.role)) for definition, row in zip(definitions, chosen, strict=True)
        ),
        alpha=experiment.alpha,
        currency=experiment.currency,
        repeated_looks=True,
        simulated=experiment.simulated,
        truth=experiment.truth,
    )
    scope = Scope(
        experiment=experiment.key,
        unit=Unit(experiment.unit),
        start=start,
        end=experiment.stopped_at,
        currency=experiment.currency,
    )
    return Settings(plan=plan, scope=scope, metrics=definitions)


def analyze(
    experiment: Experiment, warehouse: Warehouse, *, source: Source, progress: Progress = lambda _done, _total: None
) -> Analysis:
    """Compute and freeze the report of an experiment at the lake version that ``source`` names.

    The same lake version, code version and settings give the analysis that exists already.
    """
    settings = settings_of(experiment)
    frozen = TypeAdapter(Settings).dump_python(settings, mode="json")
    key = {
        "experiment": experiment,
        "lake_version": source.lake_version,
        "code_version": source.code_version,
        "settings_digest": sha256(json.dumps(frozen, sort_keys=True).encode()).hexdigest(),
    }
    known = Analysis.objects.filter(**key).first()
    if known:
        return known
    report = build_report(settings.plan, gather(settings, warehouse, source=source, progress=progress))
    return Analysis.objects.get_or_create(**key, defaults={"settings": frozen, "report": freeze(report)})[0]


def gather(settings: Settings, warehouse: Warehouse, *, source: Source, progress: Progress) -> Evidence:
    """Read everything that the report needs."""
    totals = totals_of(settings.scope, settings.metrics, warehouse, rows=source.rows or 0, progress=progress)
    planned = [arm.key for arm in settings.plan.arms]
    return Evidence(
        source=source,
        units={arm: totals.get(arm, {}).get("n", 0) for arm in planned},
        moments={
            metric.key: {arm: moments_of(totals[arm], position, metric) for arm in planned if arm in totals}
            for position, metric in enumerate(settings.metrics)
        },
        exclusions=tuple(_exclusions(settings, totals, warehouse)),
        units_in_two_arms=totals.get(None, {}).get("n", 0),
        unknown_arms={arm: sums["n"] for arm, sums in totals.items() if arm is not None and arm not in planned},
    )


def totals_of(
    scope: Scope,
    metrics: Sequence[MetricDefinition],
    warehouse: Warehouse,
    *,
    rows: int,
    progress: Progress = lambda _done, _total: None,
) -> ArmTotals:
    """The sums of each arm, read a slice of the users at a time. ``rows`` is about how many events there are."""
    totals: ArmTotals = {}
    slices = _slices(rows)
    for done, buckets in enumerate(slices):
        progress(done, len(slices))
        query = moments_query(scope, metrics, buckets=buckets)
        add_rows(totals, warehouse.query(query.sql, query.parameters))
    progress(len(slices), len(slices))
    return totals


def _slices(rows: int) -> list[tuple[int, int]]:
    """Ranges of buckets, all equally wide; more of them for more rows."""
    count = 1
    while count < BUCKETS and count * ROWS_PER_SLICE < rows:
        count *= 2
    width = BUCKETS // count
    return [(low, low + width) for low in range(0, BUCKETS, width)]


def _exclusions(settings: Settings, totals: ArmTotals, warehouse: Warehouse) -> Iterator[Exclusion]:
    query = left_out_query(settings.scope)
    row = warehouse.query(query.sql, query.parameters)[0]
    foreign = sum(sums["foreign_money"] for sums in totals.values()) if settings.scope.currency else 0
    counted = (
        ("OUTSIDE_DATES", "exposures", int(str(row["outside_dates"])), OUTSIDE_DATES),
        ("WITHOUT_UNIT", "exposures", int(str(row["without_unit"])), WITHOUT_UNIT),
        ("TWO_ARMS", "units", totals.get(None, {}).get("n", 0), TWO_ARMS),
        ("OTHER_CURRENCY", "events", foreign, OTHER_CURRENCY),
    )
    for code, what, count, template in counted:
        if count:
            params: dict[str, str | int | float] = {"count": count, "currency": settings.scope.currency}
            yield Exclusion(code=code, count=count, what=what, message=Message(template=template, params=params))


OUTSIDE_DATES = gettext_noop("Exposures outside the dates of the experiment: %(count)d.")
WITHOUT_UNIT = gettext_noop("Exposures that do not name their unit: %(count)d.")
TWO_ARMS = gettext_noop("Units that were exposed to two arms: %(count)d.")
OTHER_CURRENCY = gettext_noop("Events with money in another currency than %(currency)s: %(count)d.")


def _planned(definition: MetricDefinition, role: Role) -> PlannedMetric:
    return PlannedMetric(
        key=definition.key,
        name=definition.name,
        kind=definition.kind,
        role=role,
        direction=definition.direction,
        scale=definition.scale,
        description=definition.description,
    )


def now_source(*, name: str, lake_version: int, code_version: str, rows: int) -> Source:
    """A source as of this moment."""
    return Source(
        name=name, lake_version=lake_version, code_version=code_version, rows=rows, computed_at=timezone.now()
    )
