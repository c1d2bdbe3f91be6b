"""A lake of its own for each test."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def lake_folder(settings, tmp_path):
    settings.LAKE = tmp_path / "lake"
    return settings.LAKE


def raw_event(number: int = 0, **changes: object) -> dict[str, object]:
    """A valid event; ``properties`` given are added to its own."""
    properties = {"campaign_id": "c1", **changes.pop("properties", {})}
    return {
        "type": "track",
        "event": "Promotion Viewed",
        "messageId": f"message-{number}",
        "userId": f"user-{number % 7}",
        "timestamp": "2026-05-04T11:00:00Z",
        "properties": properties,
        **changes,
    }
