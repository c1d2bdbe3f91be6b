"""What the A/A self-check measured."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from experiments.contracts import Unit


class CalibrationRecord(models.Model):
    """One metric and method at one version of the lake; :class:`experiments.contracts.Calibration` says what it means.

    All rows of one check have the same ``computed_at``. A figure is null where the units could not answer.
    """

    unit = models.CharField(max_length=20, choices=[(unit.value, unit.value) for unit in Unit])
    metric_key = models.CharField(max_length=63)
    method = models.CharField(max_length=20)
    computed_at = models.DateTimeField()
    lake_version = models.BigIntegerField()
    code_version = models.CharField(max_length=40)
    days = models.PositiveSmallIntegerField()
    runs = models.PositiveIntegerField()
    units = models.PositiveBigIntegerField()
    alpha = models.FloatField()
    false_positives = models.FloatField(null=True)
    coverage = models.FloatField(null=True)
    uniformity_p = models.FloatField(null=True)
    passed = models.BooleanField()
    reasons = models.JSONField(default=list, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["unit", "metric_key", "method", "lake_version"], name="one_calibration_per_input"
            ),
            models.CheckConstraint(
                condition=Q(passed=False) | Q(false_positives__isnull=False),
                name="calibration_passes_only_with_figures",
            ),
        ]
        indexes = [models.Index(fields=["unit", "-computed_at"], name="calibration_latest")]

    def __str__(self) -> str:
        return f"{self.metric_key} ({self.method}) at lake version {self.lake_version}"
