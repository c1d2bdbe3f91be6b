"""Jobs as people see them: what runs, how far it is, how it ended. The row is the truth; the broker wakes workers."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Kind(models.TextChoices):
    """What a job does. ``subject`` says to what."""

    EVALUATE = "evaluate", _("Evaluate an experiment")
    CALIBRATE = "calibrate", _("Check the statistics on recent users")
    TRAIN = "train", _("Train a strategy")
    COMPARE = "compare", _("Compare strategies offline")
    PROFILE = "profile", _("Compute the profiles of users and items")


class State(models.TextChoices):
    """Where a job stands."""

    QUEUED = "queued", _("Waiting for a worker")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")


OPEN_STATES = (State.QUEUED, State.RUNNING)


class Job(models.Model):
    """One piece of long work. At most one is open for a kind and subject."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    subject = models.CharField(max_length=100)  # the key of an experiment or of a strategy, or "all"
    parameters = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    step = models.CharField(max_length=100, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.TextField(blank=True)
    requested_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)  # when a worker was last told of it
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"], condition=Q(state__in=OPEN_STATES), name="one_open_job_per_subject"
            ),
            models.CheckConstraint(condition=Q(state__in=State.values), name="job_state_is_known"),
            models.CheckConstraint(condition=Q(done__lte=models.F("total")), name="job_done_at_most_total"),
        ]
        indexes = [models.Index(fields=["kind", "subject", "-created_at"], name="job_latest")]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}: {self.state}"

    @property
    def open(self) -> bool:
        """Whether somebody still has to work on it."""
        return self.state in OPEN_STATES

    @property
    def percent(self) -> int:
        """How far it is, 0 to 100."""
        return round(100 * self.done / self.total) if self.total else 0

    def begin(self) -> None:
        """Somebody has taken it up."""
        self._record(state=State.RUNNING, attempts=self.attempts + 1, started_at=timezone.now(), error="", done=0)

    def report_progress(self, done: int, total: int, *, step: str) -> None:
        """How far it is, for people who watch."""
        self._record(done=done, total=total, step=step)

    def queue_again(self, reason: str) -> None:
        """Its attempt failed; the next round of :func:`winnow.jobs.runner.resume` sends it again."""
        self._record(state=State.QUEUED, error=reason, sent_at=None)

    def fail(self, reason: str) -> None:
        """It will not be tried again."""
        self._record(state=State.FAILED, error=reason, finished_at=timezone.now())

    def finish(self) -> None:
        """It is done."""
        self._record(state=State.DONE, done=self.total, step="", error="", finished_at=timezone.now())

    def _record(self, **values: object) -> None:
        for name, value in values.items():
            setattr(self, name, value)
        self.save(update_fields=list(values))
