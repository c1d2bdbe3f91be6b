"""What the shop has to recommend, and the profiles computed of its users and items."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Item(models.Model):
    """A product or a campaign that can be recommended. What is not available is shown to nobody."""

    item_id = models.CharField(max_length=200, unique=True)
    text = models.TextField(blank=True)  # title and description
    category = models.CharField(max_length=200, blank=True)
    price = models.FloatField(null=True, blank=True)  # in the shop's currency
    tags = models.JSONField(default=list, blank=True)
    available = models.BooleanField(default=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(price=None) | Q(price__gte=0), name="item_price_at_least_0")]

    def __str__(self) -> str:
        return self.item_id


class ProfileVersion(models.Model):
    """Profiles of all users and items, computed from the events before ``until`` and kept as files. Never changed."""

    lake_version = models.BigIntegerField()
    until = models.DateTimeField()
    users = models.PositiveBigIntegerField()
    items = models.PositiveBigIntegerField()
    code_version = models.CharField(max_length=40, blank=True)
    computed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["lake_version", "until", "code_version"], name="one_profile_version_per_input"
            )
        ]

    def __str__(self) -> str:
        return f"profiles of lake version {self.lake_version} until {self.until.isoformat()}"
