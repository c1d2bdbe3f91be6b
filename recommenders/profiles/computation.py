"""From events to the files of one version: users, items, and the last acts of each user."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
from pydantic import TypeAdapter

from recommenders.contracts import Items, Kind
from recommenders.profiles.acts import create_acts
from recommenders.profiles.catalogue import create_items
from recommenders.profiles.distributions import Distribution, Shares, distributions, shares
from recommenders.profiles.histories import write_histories
from recommenders.profiles.items import create_item_profiles
from recommenders.profiles.orders import create_orders
from recommenders.profiles.users import create_users

USERS, ITEMS, HISTORIES, SUMMARY = "users.parquet", "items.parquet", "histories", "summary.json"
ROW_GROUP = 20_000  # rows; one user is found by reading one of these

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a version holds. ``events`` are those before the moment: more of them make another version."""

    users: int
    items: int
    events: int
    currency: str
    zone: str
    distributions: tuple[Distribution, ...] = ()
    shares: tuple[Shares, ...] = ()


_SUMMARY = TypeAdapter(Summary)


def silent(_step: str) -> None:
    """Nobody watches."""


def compute_profiles(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    *,
    kinds: Mapping[str, Kind],
    items: Items,
    until: datetime,
    zone: str = "UTC",
    histories: bool = True,
    progress: Step = silent,
) -> Summary:
    """Compute all profiles from the connection's ``events`` (the columns of docs/events.md) into an existing folder.

    Args:
        kinds: name of an event → what it says of the user and the item.
        items: the catalogue.
        until: events at this moment or later do not count.
        zone: the time zone of hours, weekdays and months.
        histories: whether the last acts of each user are wanted too.
    """
    progress("events")
    create_acts(connection, kinds=kinds, until=until)
    # Five steps read the acts: the lists of products are taken apart once.
    connection.execute("CREATE OR REPLACE TEMP TABLE act_rows AS SELECT * FROM acts")
    connection.execute("CREATE OR REPLACE TEMP VIEW acts AS SELECT * FROM act_rows")
    create_items(connection, items)
    currency = create_orders(connection)
    progress("users")
    create_users(connection, until=until, currency=currency, zone=zone)
    progress("items")
    create_item_profiles(connection, until=until)
    summary = Summary(
        users=_count(connection, "user_profiles"),
        items=_count(connection, "item_profiles"),
        events=_count(connection, "past"),
        currency=currency,
        zone=zone,
        distributions=distributions(connection),
        shares=shares(connection),
    )
    _write(connection, "user_profiles", folder / USERS)
    _write(connection, "item_profiles", folder / ITEMS)
    if histories:
        progress("histories")
        (folder / HISTORIES).mkdir()
        write_histories(connection, folder / HISTORIES)
    (folder / SUMMARY).write_bytes(_SUMMARY.dump_json(summary, indent=2))
    return summary


def read_summary(folder: Path) -> Summary:
    """What the version in a folder holds."""
    return _SUMMARY.validate_json((folder / SUMMARY).read_bytes())


def count_events(connection: duckdb.DuckDBPyConnection, until: datetime) -> int:
    """How many events a version of this moment would be computed from."""
    create_acts(connection, kinds={}, until=until)
    return _count(connection, "past")


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    found = connection.execute(f"SELECT COUNT(*) FROM {relation}").fetchone()  # noqa: S608  (a name of ours)
    return int(found[0]) if found else 0


def _write(connection: duckdb.DuckDBPyConnection, relation: str, path: Path) -> None:
    target = str(path).replace("'", "''")
    connection.execute(f"COPY {relation} TO '{target}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})")
    connection.execute(f"DROP TABLE {relation}")
