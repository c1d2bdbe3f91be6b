"""A tiny hand-made event log, and how to load it into an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import duckdb
import pandas as pd

COLUMNS = {
    "user_id": "VARCHAR",
    "event": "VARCHAR",
    "timestamp": "TIMESTAMPTZ",
    "bucket": "SMALLINT",
    "ranking_id": "VARCHAR",
    "experiment": "VARCHAR",
    "arm": "VARCHAR",
    "value": "BIGINT",
    "currency": "VARCHAR",
    "received_at": "TIMESTAMPTZ",
    "properties": "VARCHAR",
}
CREATE = f"CREATE TABLE events ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})"
START = datetime(2026, 1, 1, tzinfo=UTC)

Row = tuple[str, str, datetime, int, str | None, str | None, str | None, int | None, str | None, datetime, str]


def row(
    user: str,
    event: str,
    hours: float,
    *,
    arm: str | None = None,
    value: int | None = None,
    currency: str | None = None,
    ranking: str | None = None,
    experiment: str | None = None,
    late_hours: float = 0,
    properties: str = "{}",
) -> Row:
    bucket = sum(user.encode()) % 64
    experiment = experiment or ("exp" if arm else None)
    happened = START + timedelta(hours=hours)
    received = happened + timedelta(hours=late_hours)
    return (user, event, happened, bucket, ranking, experiment, arm, value, currency, received, properties)


# Control: ann sees 3 and clicks 1, buys for 300 and returns 100; bob sees 1, nothing else; cat is exposed only.
# Treatment: dan sees 2 and clicks 2 and buys twice (250 + 50); eve buys in dollars; fay answers 4 after nine days.
# Gil is exposed to both arms. Hal acts but was never exposed. Ann's first click lies before her exposure.
ROWS: tuple[Row, ...] = (
    row("ann", "Promotion Clicked", 0.5),
    row("ann", "Experiment Viewed", 1, arm="control"),
    row("ann", "Experiment Viewed", 30, arm="control"),
    row("ann", "Promotion Viewed", 1),
    row("ann", "Promotion Viewed", 2),
    row("ann", "Promotion Viewed", 3),
    row("ann", "Promotion Clicked", 3),
    row("ann", "Order Completed", 4, value=300, currency="CNY"),
    row("ann", "Order Refunded", 90, value=100, currency="CNY"),
    row("bob", "Experiment Viewed", 2, arm="control"),
    row("bob", "Promotion Viewed", 2),
    row("cat", "Experiment Viewed", 2, arm="control"),
    row("dan", "Experiment Viewed", 1, arm="treatment"),
    row("dan", "Promotion Viewed", 2),
    row("dan", "Promotion Viewed", 3),
    row("dan", "Promotion Clicked", 3),
    row("dan", "Promotion Clicked", 4),
    row("dan", "Order Completed", 5, value=250, currency="CNY"),
    row("dan", "Order Completed", 6, value=50, currency="CNY"),
    row("eve", "Experiment Viewed", 2, arm="treatment"),
    row("eve", "Promotion Viewed", 2),
    row("eve", "Order Completed", 3, value=999, currency="USD"),
    row("fay", "Experiment Viewed", 2, arm="treatment"),
    row("fay", "Survey Answered", 2 + 9 * 24, value=4),
    row("gil", "Experiment Viewed", 2, arm="control"),
    row("gil", "Experiment Viewed", 3, arm="treatment"),
    row("hal", "Promotion Viewed", 3),
    row("ivy", "Experiment Viewed", -5, arm="control"),
    row("kim", "Experiment Viewed", 2, arm="other", experiment="another"),
)


class DuckDBWarehouse:
    """An in-memory warehouse that holds these rows."""

    def __init__(self, rows: Sequence[Row] = ROWS) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute(CREATE)
        self.add(rows)

    def add(self, rows: Sequence[Row]) -> None:
        """Insert all at once: one by one takes a millisecond each."""
        frame = pd.DataFrame(list(rows), columns=list(COLUMNS), dtype=object)
        self.connection.register("added", frame)
        self.connection.execute("INSERT INTO events SELECT * FROM added")
        self.connection.unregister("added")

    def query(self, sql: str, parameters: Mapping[str, object]) -> list[dict[str, object]]:
        cursor = self.connection.execute(sql, dict(parameters))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
