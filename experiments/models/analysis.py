"""Frozen results."""

from __future__ import annotations

from django.db import models

from experiments.models.experiment import Experiment


class Analysis(models.Model):
    """A report as it was computed once, with all that is needed to compute it again. Never changed."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="analyses")
    created_at = models.DateTimeField(auto_now_add=True)
    lake_version = models.BigIntegerField()
    code_version = models.CharField(max_length=40)
    settings = models.JSONField()
    settings_digest = models.CharField(max_length=64)
    report = models.JSONField()

    class Meta:
        verbose_name_plural = "analyses"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["experiment", "lake_version", "code_version", "settings_digest"], name="one_analysis_per_input"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.experiment_id} at lake version {self.lake_version}"
