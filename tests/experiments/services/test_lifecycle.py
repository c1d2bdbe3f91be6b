"""Drafts, steps forward, and the rules that the database itself keeps."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from experiments.contracts import Action, PlannedArm, Role, Stopping
from experiments.errors import IllegalTransition, InvalidInput, UnknownExperiment
from experiments.models import Experiment, ExperimentMetric, State
from experiments.services import lifecycle
from experiments.services.lifecycle import Draft

pytestmark = pytest.mark.django_db

DRAFT = Draft(
    key="home-banner",
    name="Home banner",
    arms=(PlannedArm(key="control", strategy="random@1"), PlannedArm(key="treatment", weight=3)),
    metrics=(("ctr", Role.PRIMARY), ("revenue", Role.GUARDRAIL)),
    currency="CNY",
)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_draft_keeps_arms_and_metrics_in_their_order():
    experiment = lifecycle.create(DRAFT, created_by="pm")
    assert [(arm.key, arm.weight, arm.strategy) for arm in experiment.arms.all()] == [
        ("control", 1, "random@1"),
        ("treatment", 3, ""),
    ]
    assert [(row.metric_key, row.role) for row in experiment.metrics.all()] == [
        ("ctr", "primary"),
        ("revenue", "guardrail"),
    ]
    assert experiment.state == State.DRAFT


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": "Home Banner"}, "key: "),
        ({"arms": DRAFT.arms[:1]}, "arms: 1 given, must be at least 2"),
        ({"arms": (DRAFT.arms[0], DRAFT.arms[0])}, "arms: control given twice"),
        ({"arms": (DRAFT.arms[0], PlannedArm(key="b", weight=0))}, "weight: arm b has 0"),
        ({"arms": (DRAFT.arms[0], PlannedArm(key="b", weight=0.5))}, "weight: arm b has 0.5"),
        ({"arms": (DRAFT.arms[0], PlannedArm(key="B b"))}, "key: "),
        ({"metrics": ()}, "metrics: none given"),
        ({"metrics": (("ctr", Role.PRIMARY), ("ctr", Role.GUARDRAIL))}, "metrics: ctr given twice"),
        ({"metrics": (("ctr", Role.PRIMARY), ("conversion", Role.PRIMARY))}, "metrics: more than one is primary"),
        ({"metrics": (("clicks", Role.PRIMARY),)}, "metric: 'clicks' is not defined"),
        ({"currency": ""}, "currency: is needed by revenue"),
        ({"alpha": 1.5}, "alpha"),
        ({"planned_start": NOON, "planned_end": NOON - timedelta(days=1)}, "planned_end_after_start"),
        ({"truth": {"ctr": 0.1}}, "truth: belongs to simulated experiments only"),
    ],
)
def test_a_draft_that_breaks_a_rule_names_it_and_leaves_nothing(changes, message):
    with pytest.raises(InvalidInput, match=message):
        lifecycle.create(replace(DRAFT, **changes))
    assert not Experiment.objects.exists()


def test_a_key_can_be_used_once():
    lifecycle.create(DRAFT)
    with pytest.raises(InvalidInput, match="key: "):
        lifecycle.create(DRAFT)


def test_an_experiment_goes_through_its_states():
    lifecycle.create(DRAFT)
    assert lifecycle.start("home-banner", at=NOON).started_at == NOON
    assert lifecycle.stop("home-banner", at=NOON + timedelta(days=7)).state == State.STOPPED
    decided = lifecycle.decide("home-banner", outcome="ship", reason=" more clicks ")
    assert (decided.state, decided.outcome, decided.outcome_reason) == ("decided", "ship", "more clicks")


def test_a_step_out_of_order_is_refused():
    lifecycle.create(DRAFT)
    with pytest.raises(IllegalTransition, match="home-banner is draft; only a running experiment can become stopped"):
        lifecycle.stop("home-banner")
    lifecycle.start("home-banner", at=NOON)
    with pytest.raises(IllegalTransition, match="is running; only a draft"):
        lifecycle.start("home-banner")
    with pytest.raises(IllegalTransition, match="is running; only a stopped"):
        lifecycle.decide("home-banner", outcome="ship", reason="x")


def test_a_stop_before_the_start_is_refused():
    lifecycle.create(DRAFT)
    lifecycle.start("home-banner", at=NOON)
    with pytest.raises(InvalidInput, match="stopped_at: 2026-03-01T11:00:00\\+00:00 must be after the start"):
        lifecycle.stop("home-banner", at=NOON - timedelta(hours=1))


@pytest.mark.parametrize(("outcome", "reason", "field"), [("shipped", "x", "outcome"), ("ship", "  ", "reason")])
def test_a_decision_needs_a_known_outcome_and_a_reason(outcome, reason, field):
    with pytest.raises(InvalidInput, match=field):
        lifecycle.decide("home-banner", outcome=outcome, reason=reason)


def test_an_unknown_experiment_is_named():
    with pytest.raises(UnknownExperiment, match="'nope'"):
        lifecycle.start("nope")


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "running"},
        {"state": "draft", "started_at": NOON},
        {"state": "stopped", "started_at": NOON, "stopped_at": NOON - timedelta(hours=1)},
        {"state": "decided", "started_at": NOON, "stopped_at": NOON + timedelta(hours=1), "decided_at": NOON},
        {"state": "paused"},
        {"alpha": 0},
        {"unit": "planet"},
    ],
)
def test_the_database_refuses_a_state_that_contradicts_itself(changes):
    lifecycle.create(DRAFT)
    with pytest.raises(IntegrityError), transaction.atomic():
        Experiment.objects.update(**changes)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"stopping": Stopping.SPENDING}, "planned_units"),
        ({"if_unsettled": Action.KEEP_RUNNING}, "if_unsettled"),
        ({"margins": {"ctr": 0.1}}, "margins"),
        ({"margins": {"nope": 0.1}}, "margins"),
        ({"metrics": (("ctr", Role.GUARDRAIL),), "margins": {"ctr": 1.5}}, "margins"),
        ({"covariate_days": 0}, "covariate_days"),
        ({"covariate_days": 9_999}, "covariate_days"),
        ({"prior_sd": -0.1}, "prior_sd"),
        ({"segments": ("a", "a")}, "segments"),
        ({"segments": ('a"b',)}, "segments"),
        ({"segments": (" ",)}, "segments"),
    ],
)
def test_an_analysis_that_cannot_be_registered_is_refused_whole(change, field):
    with pytest.raises(InvalidInput, match=field):
        lifecycle.create(replace(DRAFT, **change))
    assert not Experiment.objects.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"margins": {"revenue": 0}}, "margins"),
        ({"margins": {"revenue": 1}}, "margins"),
        ({"margins": {"revenue": math.nan}}, "margins"),
        ({"planned_units": 0, "stopping": Stopping.SPENDING}, "planned_units"),
        ({"planned_units": -5}, "planned_units"),
        ({"planned_units": -5, "stopping": Stopping.ONCE}, "planned_units"),
        ({"prior_sd": 0}, "prior_sd"),
        ({"prior_sd": math.nan}, "prior_sd"),
        ({"prior_sd": math.inf}, "prior_sd"),
        ({"alpha": math.nan}, "alpha"),
        ({"segments": ("",)}, "segments"),
    ],
)
def test_a_number_on_or_beyond_the_border_is_refused(change, field):
    with pytest.raises(InvalidInput, match=f"^{field}"):
        lifecycle.create(replace(DRAFT, **change))
    assert not Experiment.objects.exists()


def test_a_draft_keeps_the_analysis_that_it_registers():
    registered = {
        "stopping": Stopping.SPENDING,
        "planned_units": 5_000,
        "if_unsettled": Action.SHIP,
        "strict_guardrails": True,
        "covariate_days": 365,
        "prior_sd": 0.02,
    }
    lifecycle.create(replace(DRAFT, **registered, segments=("country", "日本"), margins={"revenue": 0.05}))
    kept = Experiment.objects.get()
    assert {name: getattr(kept, name) for name in registered} == registered
    assert kept.segments == ["country", "日本"]
    assert {row.metric_key: row.margin for row in kept.metrics.all()} == {"ctr": None, "revenue": 0.05}


@pytest.mark.parametrize(
    "change",
    [
        {"stopping": "spending", "planned_units": 0},
        {"stopping": "never"},
        {"if_unsettled": "keep_running"},
        {"prior_sd": 0},
    ],
)
def test_the_database_refuses_a_plan_that_cannot_be_carried_out(change):
    lifecycle.create(DRAFT)
    with pytest.raises(IntegrityError), transaction.atomic():
        Experiment.objects.update(**change)


@pytest.mark.parametrize(("metric", "margin"), [("ctr", 0.1), ("revenue", 0), ("revenue", 1)])
def test_the_database_keeps_margins_to_guardrails_and_between_0_and_1(metric, margin):
    lifecycle.create(DRAFT)
    with pytest.raises(IntegrityError), transaction.atomic():
        ExperimentMetric.objects.filter(metric_key=metric).update(margin=margin)


def test_planned_units_mean_a_planned_end_and_none_an_open_one():
    assert lifecycle.create(replace(DRAFT, key="a", planned_units=100)).stopping == Stopping.SPENDING
    assert lifecycle.create(replace(DRAFT, key="b", planned_units=None)).stopping == Stopping.SEQUENCE
    assert lifecycle.create(replace(DRAFT, key="c", stopping=Stopping.ONCE)).stopping == Stopping.ONCE
