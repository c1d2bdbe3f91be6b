"""The inbox and the batches that carry it into the lake; what was refused; and what the lake's events are made of."""

from __future__ import annotations

from django.db import models

from winnow.accounts.models import ApiKey


class Batch(models.Model):
    """A numbered set of inbox rows on its way into the lake, named here before a byte is written there.

    The number is the version of the lake's application transaction ``inbox``: a batch that the lake knows is in it
    exactly once, however often the compactor was killed.
    """

    number = models.BigIntegerField(primary_key=True)
    created_at = models.DateTimeField(auto_now_add=True)
    committed_at = models.DateTimeField(null=True, blank=True)
    lake_version = models.BigIntegerField(null=True, blank=True)
    events = models.BigIntegerField(default=0)  # new events written
    duplicates = models.BigIntegerField(default=0)  # events whose message id was known already

    def __str__(self) -> str:
        return f"batch {self.number}"


class InboxBody(models.Model):
    """One accepted request body: normalised events, one JSON object a line. Committed means acknowledged."""

    received_at = models.DateTimeField()
    events = models.BinaryField()
    count = models.PositiveIntegerField()
    batch = models.ForeignKey(Batch, null=True, blank=True, on_delete=models.PROTECT)

    def __str__(self) -> str:
        return f"{self.count} events received {self.received_at:%Y-%m-%d %H:%M:%S}"


class RefusedEvent(models.Model):
    """An event that was not accepted, as it came, and why. The newest are kept: see :mod:`winnow.events.quarantine`."""

    received_at = models.DateTimeField(auto_now_add=True, db_index=True)
    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE)
    event = models.CharField(max_length=200, blank=True)
    user_id = models.CharField(max_length=200, blank=True)
    experiment = models.CharField(max_length=200, blank=True)
    message_id = models.CharField(max_length=200, blank=True)
    field = models.CharField(max_length=100, blank=True)
    message = models.CharField(max_length=500)
    raw = models.TextField()  # JSON, cut off where it is long

    def __str__(self) -> str:
        return f"{self.event or 'event'} refused: {self.message}"


class RefusalCount(models.Model):
    """How many events with this mistake a key sent on a day, kept or not. ``event`` is "" for unknown names."""

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE)
    day = models.DateField()
    event = models.CharField(max_length=200, blank=True)
    field = models.CharField(max_length=100, blank=True)
    count = models.PositiveBigIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "day", "event", "field"], name="refusal_count_is_one_a_day"),
        ]

    def __str__(self) -> str:
        return f"{self.count} × {self.event or 'other'}, {self.field}"


class SeenProperty(models.Model):
    """A property that events of a name carry, with one type of JSON; ``property`` "" is the event itself."""

    event = models.CharField(max_length=200)
    property = models.CharField(max_length=200, blank=True)
    type = models.CharField(max_length=20, blank=True)
    first_at = models.DateTimeField()  # when the first such event was received
    last_at = models.DateTimeField()
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "property", "type"], name="seen_property_is_one"),
        ]

    def __str__(self) -> str:
        return f"{self.event}: {self.property} {self.type}"
