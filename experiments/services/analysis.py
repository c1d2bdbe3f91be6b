"""From a warehouse to a frozen report."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

from django.utils import timezone
from pydantic import TypeAdapter

from experiments.contracts import (
    Action,
    DecisionRule,
    Kind,
    MetricDefinition,
    Plan,
    PlannedArm,
    PlannedMetric,
    Role,
    Source,
    Stopping,
    Unit,
)
from experiments.errors import InvalidInput
from experiments.models import Analysis, Experiment, ExperimentMetric, State
from experiments.queries.profiles import covariate_labels
from experiments.queries.query import Warehouse
from experiments.queries.scope import Scope
from experiments.rendering import freeze
from experiments.reports import build_report
from experiments.selectors import metric_definitions
from experiments.services.calibration import latest_calibrations
from experiments.services.evidence import Progress, Settings, gather, silent

ROLE_ORDER = (Role.PRIMARY, Role.GUARDRAIL, Role.SECONDARY)


def settings_of(experiment: Experiment, *, profiles: str = "") -> Settings:
    """The settings under which an experiment that has started is analysed.

    Raises:
        InvalidInput: it is analysed with profiles, and none are given.
    """
    if experiment.uses_profiles and not profiles:
        raise InvalidInput("profiles", f"none given; {experiment.key} is analysed with profiles as of its start")
    start = experiment.require_started()
    chosen = sorted(experiment.metrics.all(), key=lambda row: ROLE_ORDER.index(Role(row.role)))
    definitions = tuple(
        _adjusted(definition, experiment.covariate_days)
        for definition in metric_definitions(row.metric_key for row in chosen)
    )
    figures = tuple(experiment.profile_covariates)
    arms = tuple(
        PlannedArm(key=arm.key, weight=arm.weight, name=arm.name, strategy=arm.strategy, exploration=arm.exploration)
        for arm in experiment.arms.all()
    )
    plan = Plan(
        title=experiment.name,
        unit=Unit(experiment.unit),
        unit_note=experiment.unit_note,
        arms=arms,
        metrics=tuple(_planned(definition, row, figures) for definition, row in zip(definitions, chosen, strict=True)),
        alpha=experiment.alpha,
        stopping=Stopping(experiment.stopping),
        planned_units=experiment.planned_units,
        complete=experiment.state != State.RUNNING,
        rule=DecisionRule(if_unsettled=Action(experiment.if_unsettled), strict_guardrails=experiment.strict_guardrails),
        prior_sd=experiment.prior_sd,
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
        segments=tuple(experiment.segments),
        figures=figures,
    )
    return Settings(plan=plan, scope=scope, metrics=definitions, profiles=profiles if experiment.uses_profiles else "")


def analyze(
    experiment: Experiment,
    warehouse: Warehouse,
    *,
    source: Source,
    profiles: str = "",
    progress: Progress = silent,
) -> Analysis:
    """Compute and freeze the report of an experiment at the lake version that ``source`` names.

    The same lake version, code version, settings and calibrations give the analysis that exists already. ``profiles``
    names the version that the warehouse's ``profiles`` relation holds, for experiments that are analysed with profiles.
    """
    settings = settings_of(experiment, profiles=profiles)
    calibrations = latest_calibrations(settings.metrics, unit=settings.scope.unit)
    frozen = TypeAdapter(Settings).dump_python(settings, mode="json")
    inputs = {"settings": frozen, "calibrations": {key: repr(one) for key, one in sorted(calibrations.items())}}
    key = {
        "experiment": experiment,
        "lake_version": source.lake_version,
        "code_version": source.code_version,
        "settings_digest": sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest(),
    }
    known = Analysis.objects.filter(**key).first()
    if known:
        return known
    evidence = gather(
        settings,
        warehouse,
        source=source,
        earlier_units=_earlier_units(experiment),
        calibrations=calibrations,
        progress=progress,
    )
    report = build_report(settings.plan, evidence)
    return Analysis.objects.get_or_create(**key, defaults={"settings": frozen, "report": freeze(report)})[0]


def _earlier_units(experiment: Experiment) -> list[int]:
    """How many units there were each time that somebody could look."""
    seen = Analysis.objects.filter(experiment=experiment).values_list("report__looks__units", flat=True)
    return [int(units) for units in seen if units]


def _adjusted(definition: MetricDefinition, covariate_days: int | None) -> MetricDefinition:
    """With the experiment's covariates, unless the metric brings its own or can have none."""
    if covariate_days is None or definition.kind is Kind.QUANTILE or definition.covariate_days:
        return definition
    return replace(definition, covariate_days=covariate_days)


def _planned(definition: MetricDefinition, row: ExperimentMetric, figures: tuple[str, ...]) -> PlannedMetric:
    return PlannedMetric(
        key=definition.key,
        name=definition.name,
        kind=definition.kind,
        role=Role(row.role),
        direction=definition.direction,
        scale=definition.scale,
        margin=row.margin,
        covariates=covariate_names(definition)
        + (() if definition.kind is Kind.QUANTILE else covariate_labels(figures)),
        winsor=definition.winsor,
        quantile=definition.quantile,
        description=definition.description,
    )


def covariate_names(definition: MetricDefinition) -> tuple[str, ...]:
    """What a metric is adjusted by: itself before exposure; of a ratio the numerator and the denominator.

    >>> from experiments.metrics.builtin import BUILTIN_METRICS
    >>> covariate_names(replace(BUILTIN_METRICS[0], covariate_days=28))
    ('CTR (28 d)', 'CTR denominator (28 d)')
    """
    if not definition.covariate_days:
        return ()
    names = (definition.name, f"{definition.name} denominator") if definition.kind is Kind.RATIO else (definition.name,)
    return tuple(f"{name} ({definition.covariate_days} d)" for name in names)


def now_source(*, name: str, lake_version: int, code_version: str, rows: int) -> Source:
    """A source as of this moment."""
    return Source(
        name=name, lake_version=lake_version, code_version=code_version, rows=rows, computed_at=timezone.now()
    )
