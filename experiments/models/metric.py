"""Metrics that people define beside the built-in ones."""

from __future__ import annotations

from django.db import models

from experiments.models.experiment import key_validator


class Metric(models.Model):
    """A user's metric. ``definition`` is a :class:`experiments.contracts.MetricDefinition` as JSON."""

    key = models.CharField(max_length=63, unique=True, validators=[key_validator])
    definition = models.JSONField()
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.key
