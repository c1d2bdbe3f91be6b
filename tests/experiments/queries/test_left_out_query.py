"""How far the log goes, and exposures that an analysis cannot use: counted by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.contracts import Unit
from experiments.queries.left_out import extent_query, left_out_query
from experiments.queries.scope import Scope
from tests.experiments.queries.events_table import ROWS, START, DuckDBWarehouse, row

DAY = 24
SCOPE = Scope(experiment="exp", unit=Unit.USER, start=START, end=START + timedelta(days=30), currency="CNY")
RUNNING = replace(SCOPE, end=None)
WAREHOUSE = DuckDBWarehouse(ROWS[:1])


def one(query, rows=ROWS) -> dict[str, object]:
    (found,) = DuckDBWarehouse(rows).query(query.sql, query.parameters)
    return found


def microseconds(hours: float) -> int:
    return (START + timedelta(hours=hours) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def test_the_log_ends_with_its_last_event_of_any_name_within_the_dates():
    assert one(extent_query(SCOPE)) == {"last": microseconds(2 + 9 * DAY)}
    rows = (*ROWS, row("zoe", "Product Viewed", 30 * DAY - 1), row("zoe", "Product Viewed", 30 * DAY))
    assert one(extent_query(SCOPE), rows) == {"last": microseconds(30 * DAY - 1)}
    assert one(extent_query(RUNNING), rows) == {"last": microseconds(30 * DAY)}


def test_a_log_without_events_within_the_dates_has_no_end():
    before = (row("ivy", "Experiment Viewed", -5, arm="control"),)
    assert one(extent_query(SCOPE), before) == {"last": None}
    assert one(left_out_query(RUNNING), before) == {
        "outside_dates": 1,
        "without_unit": 0,
        "first": None,
        "received": 0,
        "late": 0,
    }


@given(st.datetimes(datetime(2000, 1, 1), datetime(2038, 1, 19), timezones=st.just(UTC)))
def test_moments_come_back_to_the_microsecond_until_2038(moment):
    WAREHOUSE.connection.execute("UPDATE events SET timestamp = $moment", {"moment": moment})
    query = extent_query(replace(RUNNING, start=moment))
    (found,) = WAREHOUSE.query(query.sql, query.parameters)
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=found["last"]) == moment


def test_exposures_outside_the_dates_and_without_a_unit_are_counted_by_what_is_wrong():
    rows = [
        row("ann", "Experiment Viewed", -1, arm="control"),
        row("ann", "Experiment Viewed", 0, arm="control"),
        row("ann", "Experiment Viewed", 30 * DAY - 1, arm="control"),
        row("ann", "Experiment Viewed", 30 * DAY, arm="control"),
        row("bob", "Experiment Viewed", 40 * DAY, arm="control"),
        row("ann", "Promotion Viewed", -1),
        row("ann", "Experiment Viewed", -1, arm="control", experiment="another"),
    ]
    nobody = [(None, *row("x", "Experiment Viewed", hours, arm="control")[1:]) for hours in (-1, 5)]
    found = one(left_out_query(SCOPE), [*rows, *nobody])
    assert (found["outside_dates"], found["without_unit"], found["first"]) == (4, 1, microseconds(0))
    assert one(left_out_query(RUNNING), [*rows, *nobody])["outside_dates"] == 2


@pytest.mark.parametrize(
    ("late_hours", "counts"),
    [
        (0, (1, 0)),
        (24 - 1e-6, (1, 0)),
        (24, (1, 1)),
        (72 - 1e-6, (1, 1)),  # the log ends a day after the exposure and is listened to for two more
        (72, (0, 0)),
    ],
)
def test_an_exposure_is_late_a_day_after_it_happened_and_imported_when_the_log_had_ended(late_hours, counts):
    rows = (row("ann", "Experiment Viewed", 5, arm="control", late_hours=late_hours),)
    found = one(left_out_query(replace(SCOPE, seen_until=START + timedelta(hours=5 + DAY))), rows)
    assert (found["received"], found["late"]) == counts


def test_without_a_known_end_of_the_log_the_end_of_the_dates_is_taken():
    rows = (row("ann", "Experiment Viewed", 5, arm="control", late_hours=31 * DAY),)
    assert one(left_out_query(SCOPE), rows)["late"] == 1
    assert one(left_out_query(replace(SCOPE, end=START + timedelta(days=28))), rows)["late"] == 0


def test_lateness_is_that_of_exposures_within_the_dates_only():
    rows = [row("ann", "Experiment Viewed", hours, arm="control", late_hours=30) for hours in (-5, 5, 31 * DAY)]
    rows.append(row("ann", "Promotion Viewed", 5, late_hours=30))
    found = one(left_out_query(SCOPE), rows)
    assert (found["received"], found["late"]) == (1, 1)


def test_values_never_reach_the_text():
    hostile = "x' OR 1=1 --"
    query = left_out_query(replace(SCOPE, experiment=hostile))
    assert hostile not in query.sql
    assert query.parameters["experiment"] == hostile
