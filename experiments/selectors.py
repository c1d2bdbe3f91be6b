"""What is read from the records: experiments with their latest reports, and metric definitions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from django.db.models import Count, Max
from pydantic import TypeAdapter

from experiments.contracts import MetricDefinition, PlannedArm, Report, Unit
from experiments.errors import InvalidInput, UnknownExperiment
from experiments.metrics.builtin import BUILTIN_METRICS
from experiments.models import Analysis, Arm, Experiment, Metric, State
from experiments.rendering import thaw


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSummary:
    """One line of the list of experiments."""

    key: str
    name: str
    state: str
    unit: str
    simulated: bool
    started_at: datetime | None
    stopped_at: datetime | None
    arm_count: int
    report: Report | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentDetail:
    """One experiment with its arms (control first) and its latest result."""

    experiment: Experiment
    arms: tuple[Arm, ...]
    latest: Analysis | None
    report: Report | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What assigning needs to know of an experiment. Only one that runs assigns; ``arms[0]`` is the control."""

    key: str
    running: bool
    unit: Unit
    arms: tuple[PlannedArm, ...]


def simulated_keys() -> frozenset[str]:
    """The keys of the experiments whose users are simulated; events of others may be among the same events."""
    return frozenset(Experiment.objects.filter(simulated=True).values_list("key", flat=True))


def experiment_summaries() -> tuple[ExperimentSummary, ...]:
    """Every experiment, newest first, in two queries."""
    rows = Experiment.objects.annotate(arm_count=Count("arms", distinct=True), latest=Max("analyses__id")).order_by(
        "-id"
    )
    reports = Analysis.objects.in_bulk([row.latest for row in rows if row.latest])
    return tuple(
        ExperimentSummary(
            key=row.key,
            name=row.name,
            state=row.state,
            unit=row.unit,
            simulated=row.simulated,
            started_at=row.started_at,
            stopped_at=row.stopped_at,
            arm_count=row.arm_count,
            report=thaw(reports[row.latest].report) if row.latest else None,
        )
        for row in rows
    )


def running_experiments() -> tuple[Experiment, ...]:
    """The experiments that run now."""
    return tuple(Experiment.objects.filter(state=State.RUNNING).order_by("id"))


def profiles_in_use() -> tuple[frozenset[datetime], frozenset[str]]:
    """The starts of the experiments that are analysed with profiles, and the versions that analyses name."""
    using = [one for one in Experiment.objects.exclude(started_at=None) if one.uses_profiles]
    starts = frozenset(one.started_at for one in using if one.started_at and one.state != State.DECIDED)
    named = Analysis.objects.filter(experiment__in=using).values_list("settings__profiles", flat=True)
    return starts, frozenset(str(name) for name in named if name)


def find_experiment(key: str) -> Experiment:
    """The experiment with this key. Raises UnknownExperiment."""
    try:
        return Experiment.objects.get(key=key)
    except Experiment.DoesNotExist:
        raise UnknownExperiment(f"there is no experiment with the key {key!r}") from None


def allocation(key: str) -> Allocation:
    """Who gets what in this experiment, as it is now, in two queries. Raises UnknownExperiment."""
    experiment = find_experiment(key)
    return Allocation(
        key=experiment.key,
        running=experiment.state == State.RUNNING,
        unit=Unit(experiment.unit),
        arms=tuple(
            PlannedArm(
                key=arm.key, weight=arm.weight, name=arm.name, strategy=arm.strategy, exploration=arm.exploration
            )
            for arm in experiment.arms.all()
        ),
    )


def experiment_detail(key: str) -> ExperimentDetail:
    """One experiment with all its page needs, in three queries. Raises UnknownExperiment."""
    experiment = find_experiment(key)
    latest = experiment.analyses.first()
    return ExperimentDetail(
        experiment=experiment,
        arms=tuple(experiment.arms.all()),
        latest=latest,
        report=thaw(latest.report) if latest else None,
    )


@cache
def _definition_adapter() -> TypeAdapter[MetricDefinition]:
    return TypeAdapter(MetricDefinition)


def metric_definitions(keys: Iterable[str]) -> tuple[MetricDefinition, ...]:
    """The definitions of these metrics, in this order. Raises InvalidInput for a key that nobody defined."""
    wanted = tuple(keys)
    known = {metric.key: metric for metric in BUILTIN_METRICS}
    for row in Metric.objects.filter(key__in=[key for key in wanted if key not in known]):
        known[row.key] = _definition_adapter().validate_python(row.definition)
    for key in wanted:
        if key not in known:
            names = ", ".join(sorted(known))
            raise InvalidInput("metric", f"{key!r} is not defined; there are {names}")
    return tuple(known[key] for key in wanted)
