"""What an event may look like. The envelope is Segment's; the names are those of its e-commerce vocabulary."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from zlib import crc32

import orjson

from winnow.events.envelope import as_track, kept_context
from winnow.events.errors import BadEvent as BadEvent  # whoever parses needs it
from winnow.events.errors import short

BUCKETS = 64
LONGEST_EVENT = 32_768  # bytes of JSON
LONGEST_LIST = 262_144  # the same of a list of 500 items with a propensity each
LARGEST_VALUE = 2**53  # above it a JSON number may lose digits on the way
FUTURE = timedelta(hours=1)  # clocks differ
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
CURRENCY = re.compile(r"[A-Z]{3}")
UNFIT = re.compile("[\0\ud800-\udfff]")  # no UTF-8, or the end of a text to some engines


@dataclass(frozen=True, slots=True, kw_only=True)
class EventKind:
    """One name of the vocabulary and what its properties must hold."""

    name: str
    needs: tuple[str, ...] = ()
    money: bool = False  # ``value`` is in minor units of ``currency``
    longest: int = LONGEST_EVENT  # bytes of JSON of its properties


KINDS: dict[str, EventKind] = {
    kind.name: kind
    for kind in (
        EventKind(name="Experiment Viewed", needs=("experiment", "arm")),
        EventKind(name="Recommendation Served", needs=("ranking_id",), longest=LONGEST_LIST),
        EventKind(name="Promotion Viewed"),
        EventKind(name="Promotion Clicked"),
        EventKind(name="Promotion Joined"),
        EventKind(name="Coupon Claimed"),
        EventKind(name="Coupon Redeemed"),
        EventKind(name="Product Viewed"),
        EventKind(name="Product Added"),
        EventKind(name="Product Added to Wishlist"),
        EventKind(name="Order Completed", needs=("value", "currency"), money=True),
        EventKind(name="Order Refunded", needs=("value", "currency"), money=True),
        EventKind(name="Survey Answered", needs=("value",)),
        EventKind(name="Recommendation Dwelt"),
        EventKind(name="Page Viewed"),
        EventKind(name="Screen Viewed"),
        EventKind(name="Identified"),
        EventKind(name="Aliased", needs=("previous_id",)),
        EventKind(name="Grouped", needs=("group_id",)),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A row of the lake. Times are microseconds since 1970, UTC."""

    message_id: str
    user_id: str  # who acted: the user id, or the anonymous id where that is all there is
    anonymous_id: str | None
    event: str
    timestamp: int
    received_at: int
    bucket: int
    ranking_id: str | None
    experiment: str | None
    arm: str | None
    item_id: str | None
    campaign_id: str | None
    position: int | None
    value: int | None
    currency: str | None
    properties: str  # what has no column of its own, as JSON

    def line(self) -> bytes:
        """The event as one line of JSON."""
        return orjson.dumps(asdict(self), option=orjson.OPT_APPEND_NEWLINE)


TEXTS = ("ranking_id", "experiment", "arm", "item_id", "campaign_id", "currency")
OWN_COLUMN = frozenset({*TEXTS, "position", "value"})


def bucket_of(user_id: str) -> int:
    """The slice of the users that this one is in: CRC-32 of the UTF-8 bytes modulo 64. Never to be changed."""
    return crc32(user_id.encode()) % BUCKETS


def parse_event(raw: object, *, received_at: datetime) -> Event:
    """An event in Segment's envelope as a row of the lake. Raises BadEvent, also one that comes in its place."""
    if isinstance(raw, BadEvent):
        raise raw
    if not isinstance(raw, Mapping):
        raise BadEvent("event", f"{short(raw)} must be a JSON object")
    if raw.get("type", "track") != "track":
        raw = as_track(raw)
    name = _text(raw, "event", longest=200)
    properties = raw.get("properties") or {}
    if name is None:
        raise BadEvent("event", "is missing; it names what happened")
    if not isinstance(properties, Mapping):
        raise BadEvent("properties", f"{short(properties)} must be a JSON object")
    message_id = _text(raw, "messageId", longest=100)
    if message_id is None:
        raise BadEvent("messageId", "is missing; without it a repeated message would count twice")
    user_id, anonymous_id = _text(raw, "userId"), _text(raw, "anonymousId")
    who = user_id or anonymous_id
    if who is None:
        raise BadEvent("userId", "is missing, and so is anonymousId; one of them must say who acted")
    kind = KINDS.get(name, EventKind(name=name))
    for field in kind.needs:
        if properties.get(field) in (None, ""):
            raise BadEvent(f"properties.{field}", f"is missing; {name} needs it")
    return Event(
        message_id=message_id,
        user_id=who,
        anonymous_id=anonymous_id,
        event=name,
        timestamp=_microseconds(_moment(raw.get("timestamp"), received_at)),
        received_at=_microseconds(received_at),
        bucket=bucket_of(who),
        position=_whole(properties, "position", least=0, most=1_000_000),
        value=_value(properties, kind),
        properties=_rest(properties, raw.get("context"), kind.longest),
        **_texts(properties),
    )


def _texts(properties: Mapping[str, object]) -> dict[str, str | None]:
    texts = {name: _text(properties, name, prefix="properties.") for name in TEXTS}
    currency = texts["currency"]
    if currency is not None and not CURRENCY.fullmatch(currency):
        raise BadEvent("properties.currency", f"{short(currency)} must be three capital letters (ISO 4217)")
    return texts


def _text(source: Mapping[str, object], field: str, *, longest: int = 200, prefix: str = "") -> str | None:
    value = source.get(field)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise BadEvent(prefix + field, f"{short(value)} must be a text")
    if len(value) > longest:
        raise BadEvent(prefix + field, f"{short(value)} has {len(value)} characters, must have at most {longest}")
    if UNFIT.search(value):
        raise BadEvent(prefix + field, f"{short(value)} must not hold a NUL or half of a surrogate pair")
    return value


def _value(properties: Mapping[str, object], kind: EventKind) -> int | None:
    value = _whole(properties, "value", least=-LARGEST_VALUE, most=LARGEST_VALUE)
    if kind.money and value is not None and value < 0:
        raise BadEvent(
            "properties.value", f"{value} must be 0 or more; a refund is an event of its own, Order Refunded"
        )
    return value


def _whole(properties: Mapping[str, object], field: str, *, least: int, most: int) -> int | None:
    value = properties.get(field)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():  # NaN and infinity are not
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        unit = " (money in minor units: 1999 for 19.99)" if field == "value" else ""
        raise BadEvent(f"properties.{field}", f"{short(value)} must be a whole number{unit}")
    if not least <= value <= most:
        raise BadEvent(f"properties.{field}", f"{short(value)} must be between {least} and {most}")
    return value


def _moment(raw: object, received_at: datetime) -> datetime:
    if raw is None or raw == "":
        return received_at
    try:
        moment = datetime.fromisoformat(raw) if isinstance(raw, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadEvent("timestamp", f"{short(raw)} must be ISO 8601 with a time zone, such as 2026-01-31T12:00:00Z")
    if moment > received_at + FUTURE:
        raise BadEvent("timestamp", f"{short(raw)} lies in the future; it must be at most an hour after it is received")
    if moment < EARLIEST:
        raise BadEvent("timestamp", f"{short(raw)} must not be before 2000")
    return moment


def _rest(properties: Mapping[str, object], context: object, longest: int) -> str:
    rest = {name: value for name, value in properties.items() if name not in OWN_COLUMN}
    if context and (kept := kept_context(context)):
        rest.setdefault("context", kept)
    try:
        packed = orjson.dumps(rest)
    except TypeError as error:
        raise BadEvent("properties", f"must be JSON: {error}") from None
    if len(packed) > longest:
        raise BadEvent("properties", f"are {len(packed)} bytes of JSON, must be at most {longest}")
    return packed.decode()


def _microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
