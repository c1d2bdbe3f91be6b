"""Registered strategies and their immutable versions."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

key_validator = RegexValidator(r"^[a-z0-9][a-z0-9-]{0,62}$", _("lower-case letters, digits and hyphens, at most 63"))


class Family(models.TextChoices):
    """How a strategy works, in the field's terms."""

    BASELINE = "baseline", _("Baseline")
    COLLABORATIVE = "collaborative", _("Collaborative filtering")
    CONTENT = "content", _("Content")
    DEEP = "deep", _("Deep model")
    LANGUAGE = "language", _("Language model")
    BANDIT = "bandit", _("Bandit")


class Strategy(models.Model):
    """A way to rank items. What serves in an arm is one of its versions."""

    key = models.CharField(max_length=63, unique=True, validators=[key_validator])
    name = models.CharField(max_length=200)
    family = models.CharField(max_length=20, choices=Family.choices)
    description = models.TextField(blank=True)
    current = models.ForeignKey(  # what serves where no version is named; going back is pointing to an older one
        "StrategyVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "strategies"
        constraints = [
            models.CheckConstraint(condition=models.Q(family__in=Family.values), name="strategy_family_is_known"),
        ]

    def __str__(self) -> str:
        return self.key


class StrategyVersion(models.Model):
    """One version of a strategy. Never changed once it exists; ``origin`` says where its lists come from.

    ``manifest`` is that of the artefact (:class:`recommenders.artefacts.Manifest`); empty where none is ours.
    """

    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="versions")
    version = models.CharField(max_length=40)
    origin = models.TextField(blank=True)
    manifest = models.JSONField(default=dict, blank=True)
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["strategy", "version"], name="strategy_version_is_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.strategy.key}@{self.version}"


class OfflineEvaluation(models.Model):
    """Strategies judged on the same users: an :class:`~recommenders.offline.report.OfflineReport`. Never changed."""

    keys = models.JSONField()  # of the candidates
    data = models.CharField(max_length=200)  # what people call the data
    report = models.JSONField()
    code_version = models.CharField(max_length=40, blank=True)
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{', '.join(self.keys)} on {self.data}"
