"""What an event may look like."""

from __future__ import annotations

import json

import pytest

from winnow.events.schema import BadEvent, bucket_of, parse_event

from .conftest import NOW, raw_event


def test_an_event_becomes_a_row():
    event = parse_event(
        raw_event(
            3,
            event="Order Completed",
            anonymousId="device-1",
            timestamp="2026-05-04T19:00:00.000001+08:00",
            properties={"value": 1999, "currency": "CNY", "item_id": "i1", "position": 2.0, "coupon": {"code": "x"}},
        ),
        received_at=NOW,
    )
    assert (event.user_id, event.anonymous_id, event.item_id, event.position) == ("user-3", "device-1", "i1", 2)
    assert (event.value, event.currency, event.campaign_id) == (1999, "CNY", "c1")
    assert event.timestamp == 1777892400000001
    assert json.loads(event.properties) == {"coupon": {"code": "x"}}


def test_who_acted_is_the_user_or_else_the_device():
    raw = raw_event(anonymousId="device-1")
    del raw["userId"]
    event = parse_event(raw, received_at=NOW)
    assert (event.user_id, event.anonymous_id, event.bucket) == ("device-1", "device-1", bucket_of("device-1"))


def test_an_event_without_a_time_happened_when_it_came():
    raw = raw_event()
    del raw["timestamp"]
    event = parse_event(raw, received_at=NOW)
    assert event.timestamp == event.received_at


def test_buckets_never_change():
    assert [bucket_of(user) for user in ("a", "user-1", "用户", "")] == [3, 20, 29, 0]


def test_unknown_names_are_kept():
    assert parse_event(raw_event(event="Gift Wrapped"), received_at=NOW).event == "Gift Wrapped"


ORDER = {"event": "Order Completed"}
PRICED = {"value": 1, "currency": "CNY"}


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"type": "say"}, "type", "'say' must be one of track, identify"),
        ({"event": None}, "event", "is missing"),
        ({"event": 5}, "event", "5 must be a text"),
        ({"event": "x" * 201}, "event", "has 201 characters, must have at most 200"),
        ({"messageId": ""}, "messageId", "is missing"),
        ({"userId": None}, "userId", "is missing, and so is anonymousId"),
        ({"userId": "a\0b"}, "userId", "must not hold a NUL"),
        ({"userId": "a\ud800"}, "userId", "half of a surrogate pair"),
        ({"properties": []}, "event", None),
        ({"properties": "x"}, "properties", "must be a JSON object"),
        ({"timestamp": "yesterday"}, "timestamp", "'yesterday' must be ISO 8601"),
        ({"timestamp": "2026-05-04T11:00:00"}, "timestamp", "with a time zone"),
        ({"timestamp": 1777892400}, "timestamp", "must be ISO 8601"),
        ({"timestamp": "2026-05-04T13:00:01Z"}, "timestamp", "lies in the future"),
        ({"timestamp": "1999-12-31T00:00:00Z"}, "timestamp", "must not be before 2000"),
        (
            {"event": "Experiment Viewed", "properties": {"experiment": "e"}},
            "properties.arm",
            "Experiment Viewed needs it",
        ),
        ({**ORDER, "properties": {"value": 1}}, "properties.currency", "is missing"),
        ({**ORDER, "properties": {"currency": "CNY"}}, "properties.value", "is missing"),
        ({**ORDER, "properties": {**PRICED, "currency": "yuan"}}, "properties.currency", "three capital letters"),
        ({**ORDER, "properties": {**PRICED, "value": -1}}, "properties.value", "-1 must be 0 or more"),
        ({**ORDER, "properties": {**PRICED, "value": 19.99}}, "properties.value", "whole number (money in minor units"),
        ({**ORDER, "properties": {**PRICED, "value": "12"}}, "properties.value", "'12' must be a whole number"),
        ({**ORDER, "properties": {**PRICED, "value": float("nan")}}, "properties.value", "nan must be a whole number"),
        ({**ORDER, "properties": {**PRICED, "value": float("inf")}}, "properties.value", "inf must be a whole number"),
        ({**ORDER, "properties": {**PRICED, "value": True}}, "properties.value", "True must be a whole number"),
        ({**ORDER, "properties": {**PRICED, "value": 2**60}}, "properties.value", "must be between"),
        ({**ORDER, "properties": {**PRICED, "value": 2**53 + 1}}, "properties.value", "must be between"),
        ({**ORDER, "properties": {**PRICED, "value": 10**400}}, "properties.value", "must be between"),
        ({"properties": {"position": -1}}, "properties.position", "-1 must be between 0"),
        ({"properties": {"note": "x" * 40_000}}, "properties", "must be at most 32768"),
        ({"properties": {"note": {1, 2}}}, "properties", "must be JSON"),
        ({"properties": {"note": "\ud800"}}, "properties", "must be JSON"),
    ],
)
def test_an_event_that_breaks_a_rule_names_field_value_and_rule(changes, field, rule):
    if rule is None:  # an empty list of properties is as good as none
        raw = {**raw_event(), **changes}
        assert parse_event(raw, received_at=NOW).properties == "{}"
        return
    if "properties" in changes and not isinstance(changes["properties"], dict):
        raw = {**raw_event(), **changes}
    else:
        raw = raw_event(**changes)
    with pytest.raises(BadEvent) as caught:
        parse_event(raw, received_at=NOW)
    assert caught.value.field == field
    assert rule in str(caught.value)


def test_what_is_no_object_is_refused():
    with pytest.raises(BadEvent, match="'hello' must be a JSON object"):
        parse_event("hello", received_at=NOW)
