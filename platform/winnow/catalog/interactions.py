"""What to learn from, by name: the platform's own events, public data, or files that an engineer names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
from django.conf import settings
from django.utils.translation import gettext_noop

from experiments.selectors import simulated_keys
from recommenders.contracts import Interactions, Items
from recommenders.data.complete_journey import load_campaigns, load_complete_journey
from recommenders.data.sequences import load_sequences
from recommenders.data.tables import EventColumns, ItemColumns, load_tables
from recommenders.errors import InvalidData
from recommenders.profiles.acts import create_acts
from winnow.catalog.features import fill_items
from winnow.catalog.items import catalogue
from winnow.catalog.profiles import newest_version
from winnow.catalog.vocabulary import ACT_KINDS
from winnow.events.warehouse import LakeWarehouse

LAKE, COMPLETE_JOURNEY, CAMPAIGNS = "lake", "complete-journey", "complete-journey-campaigns"
LEFT_OUT = ("events_without_item", "events_of_unknown_items", "repeated_events", "events_from_then_on")  # of the notes
NAMED = (LAKE, COMPLETE_JOURNEY, CAMPAIGNS)  # all that a page or a program may ask for; files are for the command line
# downloaded and checked; who published them simulated them from real shopping patterns
PUBLIC = {COMPLETE_JOURNEY: load_complete_journey, CAMPAIGNS: load_campaigns}
SOURCE, SIMULATED = "source", "simulated"  # of what is kept with a version
PARTLY_SIMULATED = gettext_noop("Simulated data, or data of which a part was simulated.")

# Somebody who does the same thing with the same item at the same microsecond was counted twice by a client.
TAKEN = """
CREATE OR REPLACE TEMP TABLE taken AS
SELECT user_id, item_id, kind, timestamp, MIN(message_id) AS message_id, COUNT(*) AS times
FROM acts GROUP BY user_id, item_id, kind, timestamp
"""
CODES = """
CREATE OR REPLACE TEMP TABLE {name}_codes AS
SELECT {name}_id, ROW_NUMBER() OVER (ORDER BY {name}_id) - 1 AS code FROM (SELECT DISTINCT {name}_id FROM {source})
"""
ROWS = """
SELECT user_codes.code AS users, item_codes.code AS items, EPOCH_US(timestamp) // 1000000 AS times, kind AS kinds
FROM taken JOIN item_codes USING (item_id) JOIN user_codes USING (user_id)
ORDER BY users, timestamp, message_id, items
"""
COUNTS = """
SELECT
  (SELECT COUNT(*) FROM past JOIN act_kinds USING (event)) - (SELECT COUNT(DISTINCT message_id) FROM acts) AS without,
  (SELECT COALESCE(SUM(times), 0) - COUNT(*) FROM taken) AS repeated,
  (SELECT COUNT(*) FROM taken ANTI JOIN item_codes USING (item_id)) AS unknown
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What to learn from: ``lake`` (at a version, the newest by default), ``complete-journey``, or a file.

    The columns and the file of ``items`` belong to a file of events. ``until`` is a moment in ISO 8601, UTC where no
    zone is given: what happened then or later is not seen.
    """

    name: str
    lake_version: int | None = None
    until: str | None = None
    columns: EventColumns = field(default_factory=EventColumns)
    items: str | None = None
    item_columns: ItemColumns = field(default_factory=ItemColumns)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loaded:
    """Interactions, and about what was read: its name, whether a part was simulated, and figures.

    ``name`` is that of the source, ``lake@7`` for the lake at its version 7. ``notes`` hold that version and what was
    left out.
    """

    data: Interactions
    name: str
    notes: Mapping[str, int] = field(default_factory=dict)
    simulated: bool = False

    @property
    def record(self) -> Mapping[str, str | int]:
        """What a version keeps of the data that it was trained on."""
        return {SOURCE: self.name, **self.notes, **({SIMULATED: "yes"} if self.simulated else {})}

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a report says of the data."""
        left_out = [f"{self.notes[name]:,} {name.replace('_', ' ')}" for name in LEFT_OUT if self.notes.get(name)]
        said = (f"Left out: {', '.join(left_out)}.",) if left_out else ()
        return (*said, PARTLY_SIMULATED) if self.simulated else said


def named(name: str) -> Source:
    """A source that anybody may ask for.

    Raises:
        InvalidData: the name is none of :data:`NAMED`; above all, it is no path.
    """
    if name not in NAMED:
        raise InvalidData("data", f"{name!r} must be one of {', '.join(NAMED)}")
    return Source(name=name)


def load(source: Source | str) -> Interactions:
    """The interactions of a source, or of the named source. Raises InvalidData."""
    return read(named(source) if isinstance(source, str) else source).data


def read(source: Source) -> Loaded:
    """The interactions of a source, with what was left out.

    Raises:
        InvalidData: there is nothing to read, or a file breaks a rule.
    """
    found = _read(source)
    if source.until is None:
        return found
    rows = found.data.times < moment_of(source.until).timestamp()
    if not rows.any():
        raise InvalidData("until", f"nothing happened before {source.until}")
    later = {"events_from_then_on": int((~rows).sum())}
    return replace(found, data=found.data.take(rows), notes={**found.notes, **later})


def moment_of(until: str) -> datetime:
    """The moment that a text names. Raises InvalidData."""
    try:
        moment = datetime.fromisoformat(until)
    except ValueError:
        raise InvalidData("until", f"{until!r} must be a date or a moment such as 2026-01-31T18:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _read(source: Source) -> Loaded:
    if source.name == LAKE:
        return _read_lake(source.lake_version)
    if source.name in PUBLIC:
        return Loaded(data=PUBLIC[source.name](settings.HOME / "data"), name=source.name, simulated=True)
    path = Path(source.name)
    if path.name.removesuffix(".gz").endswith(".txt"):
        return Loaded(data=load_sequences(path), name=path.name)
    items = None if source.items is None else Path(source.items)
    data = load_tables(path, source.columns, items=items, item_columns=source.item_columns)
    return Loaded(data=data, name=path.name)


def _read_lake(version: int | None) -> Loaded:
    """What users did by the platform's events, with the items of the catalogue, or those of the events without one.

    Texts, categories and prices that the catalogue does not have are those of the items' newest profiles.
    """
    warehouse = LakeWarehouse(version)
    events, items = warehouse.time_range(), catalogue()
    if events is None:
        raise InvalidData("data", f"the lake has no events at version {warehouse.version}")
    connection = warehouse.connection
    create_acts(connection, kinds=ACT_KINDS, until=events[1] + timedelta(microseconds=1))
    connection.execute(TAKEN)
    if items is not None:
        connection.execute("CREATE OR REPLACE TEMP TABLE known AS SELECT UNNEST($ids) AS item_id", {"ids": items.ids})
    connection.execute(CODES.format(name="item", source="taken" if items is None else "known"))
    connection.execute(CODES.format(name="user", source="taken SEMI JOIN item_codes USING (item_id)"))
    catalogued = items or Items(ids=_texts(connection, "SELECT item_id FROM item_codes ORDER BY code"))
    profiles = newest_version(most_lake_version=warehouse.version)
    rows = connection.execute(ROWS).fetchnumpy()
    without, repeated, unknown = connection.execute(COUNTS).fetchall()[0]
    if not len(rows["users"]):
        raise InvalidData(
            "data",
            f"nobody did anything with a known item in the lake at version {warehouse.version}:"
            f" {without} events name no item, {unknown} an item that the catalogue does not have",
        )
    data = Interactions.build(
        users=np.asarray(rows["users"]),
        items=np.asarray(rows["items"]),
        times=np.asarray(rows["times"]),
        kinds=np.asarray(rows["kinds"]),
        catalogue=fill_items(profiles, catalogued) if profiles else catalogued,
        user_ids=_texts(connection, "SELECT user_id FROM user_codes ORDER BY code"),
    )
    notes = {
        "lake_version": warehouse.version,
        "events_without_item": int(without),
        "events_of_unknown_items": int(unknown),
        "repeated_events": int(repeated),
    }
    return Loaded(data=data, name=f"{LAKE}@{warehouse.version}", notes=notes, simulated=bool(simulated_keys()))


def _texts(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[str, ...]:
    return tuple(str(row[0]) for row in connection.execute(sql).fetchall())
