"""What Segment's envelope holds besides events: its other calls, as events, and the context that is worth keeping."""

from __future__ import annotations

from collections.abc import Mapping

from winnow.events.errors import BadEvent, short

TRACK = "track"
# docs/tracking.md has the same table
EVENT_OF_CALL = {
    "identify": "Identified",
    "alias": "Aliased",
    "group": "Grouped",
    "page": "Page Viewed",
    "screen": "Screen Viewed",
}
CALLS = (TRACK, *EVENT_OF_CALL)

# Of the context only what divides visits into segments: no address, no device id, no user agent, no position.
KEPT_TEXTS = ("locale", "timezone")
KEPT_PARTS = {
    "app": ("name", "version"),
    "campaign": ("name", "source", "medium", "term", "content"),
    "device": ("type",),
    "os": ("name",),
    "page": ("path",),
}
LONGEST_KEPT = 200  # characters


def as_track(raw: Mapping[str, object]) -> Mapping[str, object]:
    """The message of another call in the form of a track. Raises BadEvent."""
    call = raw.get("type")
    name = EVENT_OF_CALL.get(call) if isinstance(call, str) else None
    if name is None:
        raise BadEvent("type", f"{short(call)} must be one of {', '.join(CALLS)}")
    properties: dict[str, object]
    if call == "alias":
        properties = {"previous_id": _needed(raw, "previousId")}
    elif call == "group":
        properties = {"group_id": _needed(raw, "groupId"), "traits": _object(raw, "traits")}
    elif call == "identify":
        properties = {"traits": _object(raw, "traits")}
    else:
        said = {field: raw[field] for field in ("name", "category") if raw.get(field)}
        properties = {**said, **_object(raw, "properties")}
    return {**raw, "type": TRACK, "event": name, "properties": properties}


def _needed(raw: Mapping[str, object], field: str) -> str:
    value = raw.get(field)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_KEPT:
        raise BadEvent(field, f"{short(value)} must be a text of 1 to {LONGEST_KEPT} characters")
    return value


def _object(raw: Mapping[str, object], field: str) -> dict[str, object]:
    value = raw.get(field) or {}
    if not isinstance(value, dict):
        raise BadEvent(field, f"{short(value)} must be a JSON object")
    return value


def kept_context(context: object) -> dict[str, object]:
    """The part of a context that is stored with the event; empty where nothing is."""
    if not isinstance(context, dict):
        return {}
    kept: dict[str, object] = {name: context[name] for name in KEPT_TEXTS if _is_short(context.get(name))}
    for name, fields in KEPT_PARTS.items():
        part = context.get(name)
        found = {field: part[field] for field in fields if _is_short(part.get(field))} if isinstance(part, dict) else {}
        if found:
            kept[name] = found
    return kept


def _is_short(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_KEPT
