"""The inbox: what was acknowledged and is not in the lake yet, and the batches that carry it there."""

from __future__ import annotations

from django.db import models


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
