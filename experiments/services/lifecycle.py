"""The life of an experiment: draft → running → stopped → decided. Each step is one conditional update."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from experiments.contracts import Action, PlannedArm, Role, Scale, Stopping, Unit
from experiments.errors import IllegalTransition, InvalidInput
from experiments.models import Arm, Experiment, ExperimentMetric, State
from experiments.models.experiment import UNSETTLED_ACTIONS, Outcome
from experiments.queries.profiles import FIGURES, PREFIX, SEGMENTS, segment_column
from experiments.selectors import find_experiment, metric_definitions

MOST_COVARIATE_DAYS = 365
MOST_PROFILE_COVARIATES = 8  # two columns each, and the sums grow with their square


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An experiment as somebody sets it up. The first arm is the control; at most one metric is primary.

    ``stopping``, the rule (``if_unsettled``, ``strict_guardrails``), ``margins`` of guardrails, ``covariate_days``
    (adjust every metric by itself over that many days before exposure), ``prior_sd``, ``segments`` (properties of the
    exposure, or ``profile.`` and a segment of the users' profiles) and ``profile_covariates`` (adjust every metric by
    these figures of the profiles) are the analysis that is registered before the start. Profiles are those as of the
    start. Without a planned number of units an experiment is open-ended.
    """

    key: str
    name: str
    arms: tuple[PlannedArm, ...]
    metrics: tuple[tuple[str, Role], ...]
    unit: Unit = Unit.USER
    hypothesis: str = ""
    unit_note: str = ""
    alpha: float = 0.05
    currency: str = ""
    planned_start: datetime | None = None
    planned_end: datetime | None = None
    planned_units: int | None = None
    stopping: Stopping | None = None  # by default SPENDING with planned units, SEQUENCE without
    if_unsettled: Action = Action.ROLL_BACK
    strict_guardrails: bool = False
    margins: dict[str, float] = field(default_factory=dict)
    covariate_days: int | None = None
    prior_sd: float | None = None
    segments: tuple[str, ...] = ()
    profile_covariates: tuple[str, ...] = ()
    simulated: bool = False
    truth: dict[str, float] = field(default_factory=dict)


def create(draft: Draft, *, created_by: str = "") -> Experiment:
    """Write a draft with its arms and metrics, whole or not at all. Raises InvalidInput."""
    _check(draft)
    experiment = Experiment(
        key=draft.key,
        name=draft.name,
        hypothesis=draft.hypothesis,
        unit=draft.unit.value,
        unit_note=draft.unit_note,
        alpha=draft.alpha,
        currency=draft.currency,
        planned_start=draft.planned_start,
        planned_end=draft.planned_end,
        planned_units=draft.planned_units,
        stopping=_stopping(draft).value,
        if_unsettled=draft.if_unsettled.value,
        strict_guardrails=draft.strict_guardrails,
        covariate_days=draft.covariate_days,
        prior_sd=draft.prior_sd,
        segments=list(draft.segments),
        profile_covariates=list(draft.profile_covariates),
        simulated=draft.simulated,
        truth=draft.truth,
        created_by=created_by,
    )
    arms = [_arm(experiment, position, arm) for position, arm in enumerate(draft.arms)]
    metrics = [
        ExperimentMetric(
            experiment=experiment,
            metric_key=key,
            role=role.value,
            position=position,
            margin=draft.margins.get(key),
        )
        for position, (key, role) in enumerate(draft.metrics)
    ]
    with transaction.atomic():
        records: list[Experiment | Arm | ExperimentMetric] = [experiment, *arms, *metrics]
        for record in records:
            _validate(record)
            record.save()
    return experiment


def start(key: str, *, at: datetime | None = None) -> Experiment:
    """Start a draft. From here on arms, weights and metrics stay as they are. Raises IllegalTransition."""
    return _move(key, State.DRAFT, State.RUNNING, started_at=at or timezone.now())


def stop(key: str, *, at: datetime | None = None) -> Experiment:
    """Stop a running experiment: later events do not count. Raises IllegalTransition, InvalidInput."""
    moment = at or timezone.now()
    started_at = find_experiment(key).started_at
    if started_at and moment <= started_at:
        raise InvalidInput("stopped_at", f"{moment.isoformat()} must be after the start, {started_at.isoformat()}")
    return _move(key, State.RUNNING, State.STOPPED, stopped_at=moment)


def decide(key: str, *, outcome: str, reason: str) -> Experiment:
    """Record what people decided about a stopped experiment. Raises IllegalTransition, InvalidInput."""
    if outcome not in Outcome.values:
        raise InvalidInput("outcome", f"{outcome!r} must be one of {', '.join(Outcome.values)}")
    if not reason.strip():
        raise InvalidInput("reason", "must say why")
    return _move(
        key, State.STOPPED, State.DECIDED, decided_at=timezone.now(), outcome=outcome, outcome_reason=reason.strip()
    )


def _move(key: str, before: State, after: State, **fields: datetime | str) -> Experiment:
    # The update is conditional on the state, so of two people who click at once one is told that it happened already.
    moved = Experiment.objects.filter(key=key, state=before).update(state=after, **fields)
    experiment = find_experiment(key)
    if not moved:
        raise IllegalTransition(f"{key} is {experiment.state}; only a {before} experiment can become {after}")
    return experiment


def _check(draft: Draft) -> None:
    if len(draft.arms) < 2:
        raise InvalidInput("arms", f"{len(draft.arms)} given, must be at least 2 (the first is the control)")
    _check_unique("arms", [arm.key for arm in draft.arms])
    if not draft.metrics:
        raise InvalidInput("metrics", "none given, must be at least 1")
    _check_unique("metrics", [key for key, _ in draft.metrics])
    if sum(role is Role.PRIMARY for _, role in draft.metrics) > 1:
        raise InvalidInput("metrics", "more than one is primary, must be at most 1")
    for arm in draft.arms:
        if arm.weight != int(arm.weight) or arm.weight < 1:
            raise InvalidInput("weight", f"arm {arm.key} has {arm.weight}, must be a whole number above 0")
        if not 0 <= arm.exploration <= 1:
            raise InvalidInput("exploration", f"arm {arm.key} has {arm.exploration:g}, must be from 0 to 1")
    money = [
        metric.key for metric in metric_definitions(key for key, _ in draft.metrics) if metric.scale is Scale.MONEY
    ]
    if money and not draft.currency:
        raise InvalidInput("currency", f"is needed by {', '.join(money)}")
    if draft.truth and not draft.simulated:
        raise InvalidInput("truth", "belongs to simulated experiments only")
    _check_plan(draft)


def _stopping(draft: Draft) -> Stopping:
    if draft.stopping is not None:
        return draft.stopping
    return Stopping.SPENDING if draft.planned_units else Stopping.SEQUENCE


def _check_plan(draft: Draft) -> None:
    if not 0 < draft.alpha < 1:
        raise InvalidInput("alpha", f"{draft.alpha:g} must be above 0 and below 1")
    if _stopping(draft) is Stopping.SPENDING and not draft.planned_units:
        raise InvalidInput("planned_units", f"{draft.planned_units} must be above 0 for a plan with a known end")
    if draft.if_unsettled not in UNSETTLED_ACTIONS:
        raise InvalidInput("if_unsettled", f"{draft.if_unsettled} must be ship or roll_back")
    guardrails = {key for key, role in draft.metrics if role is Role.GUARDRAIL}
    for key, margin in draft.margins.items():
        if key not in guardrails:
            raise InvalidInput("margins", f"{key} is no guardrail of this experiment")
        if not 0 < margin < 1:
            raise InvalidInput("margins", f"{key} has {margin:g}, must be a fraction above 0 and below 1")
    if draft.covariate_days is not None and not 1 <= draft.covariate_days <= MOST_COVARIATE_DAYS:
        raise InvalidInput("covariate_days", f"{draft.covariate_days} must be 1 to {MOST_COVARIATE_DAYS}")
    if draft.prior_sd is not None and not 0 < draft.prior_sd < math.inf:
        raise InvalidInput("prior_sd", f"{draft.prior_sd:g} must be above 0 and finite")
    _check_unique("segments", draft.segments)
    for name in draft.segments:
        if not name.strip() or '"' in name:
            raise InvalidInput("segments", f"{name!r} must be the name of a property, without quotation marks")
    _check_profiles(draft)


def _check_profiles(draft: Draft) -> None:
    for name in draft.segments:
        if name.startswith(PREFIX) and segment_column(name) is None:
            known = ", ".join(f"{PREFIX}{one}" for one in SEGMENTS)
            raise InvalidInput("segments", f"{name!r} must be one of {known}")
    _check_unique("profile_covariates", draft.profile_covariates)
    for name in draft.profile_covariates:
        if name not in FIGURES:
            raise InvalidInput("profile_covariates", f"{name!r} must be one of {', '.join(FIGURES)}")
    if len(draft.profile_covariates) > MOST_PROFILE_COVARIATES:
        count = len(draft.profile_covariates)
        raise InvalidInput("profile_covariates", f"{count} given, must be at most {MOST_PROFILE_COVARIATES}")
    asked = draft.profile_covariates or any(name.startswith(PREFIX) for name in draft.segments)
    if asked and draft.unit is not Unit.USER:
        raise InvalidInput("unit", f"{draft.unit.value} has no profile; profiles are of users")


def _check_unique(name: str, keys: Sequence[str]) -> None:
    doubled = sorted({key for key in keys if keys.count(key) > 1})
    if doubled:
        raise InvalidInput(name, f"{', '.join(doubled)} given twice")


def _arm(experiment: Experiment, position: int, arm: PlannedArm) -> Arm:
    strategy, _, version = arm.strategy.partition("@")
    return Arm(
        experiment=experiment,
        key=arm.key,
        name=arm.name,
        position=position,
        weight=int(arm.weight),
        strategy_key=strategy,
        strategy_version=version,
        exploration=arm.exploration,
    )


def _validate(record: Experiment | Arm | ExperimentMetric) -> None:
    try:
        record.full_clean(exclude=["experiment"])
    except ValidationError as error:
        name, messages = next(iter(error.message_dict.items()))
        raise InvalidInput(name, messages[0]) from None
