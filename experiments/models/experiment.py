"""Experiments, their arms and the metrics they are judged by."""

from __future__ import annotations

from datetime import datetime

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from experiments.contracts import Action, Role, Stopping, Unit
from experiments.errors import IllegalTransition

key_validator = RegexValidator(r"^[a-z0-9][a-z0-9-]{0,62}$", _("lower-case letters, digits and hyphens, at most 63"))


class State(models.TextChoices):
    """The life of an experiment. Only forwards."""

    DRAFT = "draft", _("Draft")
    RUNNING = "running", _("Running")
    STOPPED = "stopped", _("Stopped")
    DECIDED = "decided", _("Decided")


class Outcome(models.TextChoices):
    """What people decided."""

    SHIP = "ship", _("Ship")
    ROLL_BACK = "roll_back", _("Roll back")
    NO_DECISION = "no_decision", _("Ended without a decision")


UNSETTLED_ACTIONS = (Action.SHIP, Action.ROLL_BACK)


class Experiment(models.Model):
    """A question put to real users: which arm is better, by which metric, for how long."""

    key = models.CharField(max_length=63, unique=True, validators=[key_validator])
    name = models.CharField(max_length=200)
    hypothesis = models.TextField(blank=True)
    unit = models.CharField(max_length=20, choices=[(unit.value, unit.value) for unit in Unit], default=Unit.USER.value)
    unit_note = models.CharField(max_length=300, blank=True)
    alpha = models.FloatField(default=0.05)
    currency = models.CharField(max_length=3, blank=True)
    planned_start = models.DateTimeField(null=True, blank=True)
    planned_end = models.DateTimeField(null=True, blank=True)
    planned_units = models.PositiveBigIntegerField(null=True, blank=True)
    stopping = models.CharField(
        max_length=10, choices=[(one.value, one.value) for one in Stopping], default=Stopping.SEQUENCE.value
    )
    if_unsettled = models.CharField(
        max_length=12, choices=[(one.value, one.value) for one in UNSETTLED_ACTIONS], default=Action.ROLL_BACK.value
    )
    strict_guardrails = models.BooleanField(default=False)
    covariate_days = models.PositiveSmallIntegerField(null=True, blank=True)
    prior_sd = models.FloatField(null=True, blank=True)  # of relative effects
    segments = models.JSONField(default=list, blank=True)  # properties of the exposure, or "profile." and a segment
    profile_covariates = models.JSONField(default=list, blank=True)  # figures of the profile as of the start

    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    started_at = models.DateTimeField(null=True, blank=True)
    stopped_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=20, choices=Outcome.choices, blank=True)
    outcome_reason = models.TextField(blank=True)

    simulated = models.BooleanField(default=False)
    truth = models.JSONField(default=dict, blank=True)  # metric key → true relative effect; simulated data only
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(unit__in=[unit.value for unit in Unit]), name="experiment_unit_is_known"
            ),
            models.CheckConstraint(condition=Q(alpha__gt=0, alpha__lt=1), name="experiment_alpha_between_0_and_1"),
            models.CheckConstraint(
                condition=~Q(stopping=Stopping.SPENDING.value) | Q(planned_units__isnull=False, planned_units__gt=0),
                name="experiment_spending_needs_planned_units",
            ),
            models.CheckConstraint(
                condition=Q(stopping__in=[one.value for one in Stopping]), name="experiment_stopping_is_known"
            ),
            models.CheckConstraint(
                condition=Q(if_unsettled__in=[one.value for one in UNSETTLED_ACTIONS]),
                name="experiment_if_unsettled_is_an_end",
            ),
            models.CheckConstraint(condition=Q(prior_sd=None) | Q(prior_sd__gt=0), name="experiment_prior_sd_above_0"),
            models.CheckConstraint(
                condition=Q(planned_start=None) | Q(planned_end=None) | Q(planned_end__gt=F("planned_start")),
                name="experiment_planned_end_after_start",
            ),
            models.CheckConstraint(
                condition=(
                    Q(state=State.DRAFT, started_at=None, stopped_at=None, decided_at=None, outcome="")
                    | Q(state=State.RUNNING, started_at__isnull=False, stopped_at=None, decided_at=None, outcome="")
                    | Q(
                        state=State.STOPPED,
                        started_at__isnull=False,
                        stopped_at__gt=F("started_at"),
                        decided_at=None,
                        outcome="",
                    )
                    | Q(
                        state=State.DECIDED,
                        started_at__isnull=False,
                        stopped_at__gt=F("started_at"),
                        decided_at__isnull=False,
                        outcome__in=Outcome.values,
                    )
                ),
                name="experiment_state_matches_its_dates",
            ),
            models.CheckConstraint(
                condition=Q(simulated=True) | Q(truth={}), name="experiment_truth_only_when_simulated"
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def uses_profiles(self) -> bool:
        """Whether its analysis needs the profiles as of its start."""
        return bool(self.profile_covariates) or any(name.startswith("profile.") for name in self.segments)

    def require_started(self) -> datetime:
        """When it started. Raises IllegalTransition for a draft."""
        if self.started_at is None:
            raise IllegalTransition(f"{self.key} has not started; start it first")
        return self.started_at


class Arm(models.Model):
    """One side of an experiment: a share of the units and the strategy version they see."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="arms")
    key = models.CharField(max_length=63, validators=[key_validator])
    name = models.CharField(max_length=200, blank=True)
    position = models.PositiveSmallIntegerField()  # 0 is the control
    weight = models.PositiveIntegerField(default=1)  # relative to the other arms'
    strategy_key = models.CharField(max_length=63, blank=True)
    strategy_version = models.CharField(max_length=40, blank=True)
    exploration = models.FloatField(default=0.0)  # chance of each slot to be filled at random

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["experiment", "key"], name="arm_key_is_unique"),
            models.UniqueConstraint(fields=["experiment", "position"], name="arm_position_is_unique"),
            models.CheckConstraint(condition=Q(weight__gt=0), name="arm_weight_above_0"),
            models.CheckConstraint(
                condition=Q(exploration__gte=0, exploration__lte=1), name="arm_exploration_between_0_and_1"
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def strategy(self) -> str:
        """``key@version``, or nothing."""
        return f"{self.strategy_key}@{self.strategy_version}" if self.strategy_key else ""


class ExperimentMetric(models.Model):
    """A metric's role in one experiment."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="metrics")
    metric_key = models.CharField(max_length=63)
    role = models.CharField(max_length=10, choices=[(role.value, role.value) for role in Role])
    position = models.PositiveSmallIntegerField()
    margin = models.FloatField(null=True, blank=True)  # relative harm that a guardrail tolerates

    class Meta:
        ordering = ["position"]
        constraints = [
            models.CheckConstraint(
                condition=Q(margin=None) | Q(role=Role.GUARDRAIL.value, margin__gt=0, margin__lt=1),
                name="margin_of_a_guardrail_between_0_and_1",
            ),
            models.UniqueConstraint(fields=["experiment", "metric_key"], name="experiment_metric_is_unique"),
            models.UniqueConstraint(
                fields=["experiment"], condition=Q(role=Role.PRIMARY.value), name="one_primary_metric"
            ),
            models.CheckConstraint(condition=Q(role__in=[role.value for role in Role]), name="metric_role_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.metric_key} ({self.role})"
