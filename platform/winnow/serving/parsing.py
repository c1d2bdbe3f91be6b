"""From the body of a request to a :class:`~winnow.serving.contracts.Request`, or a sentence that says what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from django.utils import timezone
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from winnow.catalog.vocabulary import ACT_KINDS
from winnow.events.schema import EARLIEST, FUTURE
from winnow.serving.contracts import MOST_ITEMS, MOST_PLACES, MOST_USERS, STRICT, Person, Request, Text


class BadRequest(ValueError):
    """A request breaks a rule. ``field`` names where, "" for the body as a whole."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field or 'body'}: {rule}")
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Body(Person):
    """The body: one user's fields beside the others, or ``users``."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    users: Annotated[tuple[Person, ...], Field(min_length=1, max_length=MOST_USERS)] | None = None
    experiment: Text | None = None
    strategy: Text | None = None
    surface: Text | None = None
    k: Annotated[int, Field(ge=1, le=MOST_ITEMS)] = 10
    exclude_history: bool = True
    expose: bool = False
    budget_ms: Annotated[int, Field(ge=10, le=10_000)] | None = None


BODY = TypeAdapter(Body)

# pydantic's names of broken rules → ours; the others keep pydantic's sentence
RULES = {
    "unexpected_keyword_argument": "is no field here",
    "dataclass_type": "must be a JSON object",
    "missing": "is missing",
    "string_pattern_mismatch": "must not hold a NUL",
    "string_too_short": "must not be empty",
    "timezone_aware": "must be ISO 8601 with a time zone, such as 2026-01-31T12:00:00Z",
    "datetime_from_date_parsing": "must be ISO 8601 with a time zone, such as 2026-01-31T12:00:00Z",
    "datetime_parsing": "must be ISO 8601 with a time zone, such as 2026-01-31T12:00:00Z",
    "datetime_type": "must be ISO 8601 with a time zone, such as 2026-01-31T12:00:00Z",
}


def parse(body: bytes) -> Request:
    """What is asked for. Raises BadRequest."""
    try:
        found = BODY.validate_json(body, strict=True)
    except ValidationError as error:
        raise _said(error.errors(include_url=False)[0]) from None
    if (found.experiment is None) == (found.strategy is None):
        raise BadRequest("experiment", "give either an experiment or a strategy, not both and not none")
    if found.expose and found.experiment is None:
        raise BadRequest("expose", "an exposure belongs to an experiment, and none is given")
    people = _people(found)
    if len(people) * found.k > MOST_PLACES:
        raise BadRequest("k", f"{len(people)} users with {found.k} items each, must be at most {MOST_PLACES} in all")
    return Request(
        people=people,
        many=found.users is not None,
        experiment=found.experiment,
        strategy=found.strategy,
        surface=found.surface,
        k=found.k,
        exclude_history=found.exclude_history,
        expose=found.expose,
        budget_ms=found.budget_ms,
    )


def _people(body: Body) -> tuple[Person, ...]:
    alone = body.user_id, body.anonymous_id, body.history, body.candidates, body.exclude or None, body.timestamp
    people: tuple[Person, ...]
    if body.users is None:
        people = (body,)
    elif any(value is not None for value in alone):
        raise BadRequest("users", "what belongs to one user must be given inside of users, or without users")
    else:
        people = body.users
    for place, person in enumerate(people):
        prefix = f"users.{place}." if body.users is not None else ""
        if not person.who:
            raise BadRequest(f"{prefix}user_id", "is missing, and so is anonymous_id; one says whom the list is for")
        if person.timestamp is not None and not EARLIEST <= person.timestamp <= timezone.now() + FUTURE:
            rule = f"{person.timestamp.isoformat()} must be from 2000 on and at most an hour in the future"
            raise BadRequest(f"{prefix}timestamp", rule)
        for number, act in enumerate(person.history or ()):
            if act.event is not None and act.event not in ACT_KINDS:
                rule = f"{_short(act.event)} must be one of {', '.join(ACT_KINDS)}"
                raise BadRequest(f"{prefix}history.{number}.event", rule)
        timed = [act.timestamp is not None for act in person.history or ()]
        if any(timed) and not all(timed):
            raise BadRequest(f"{prefix}history", "a timestamp must be given for all entries or for none")
    return people


def _said(error: ErrorDetails) -> BadRequest:
    field = ".".join(map(str, error["loc"]))
    if error["type"] == "json_invalid":
        return BadRequest("", f"is not JSON: {error['msg'].removeprefix('Invalid JSON: ')}")
    rule = RULES.get(error["type"]) or _lowered(error["msg"])
    if error["type"] == "missing" or isinstance(error["input"], (Mapping, list, tuple)):
        return BadRequest(field, rule)
    return BadRequest(field, f"{_short(error['input'])} {rule}")


def _lowered(message: str) -> str:
    """ "Input should be less than …" without its subject, as a rule."""
    _, _, rule = message.partition(" should ")
    return f"must {rule}" if rule else message[:1].lower() + message[1:]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…" + text[-1]


def body_schema() -> Mapping[str, object]:
    """The JSON schema of the body, in one piece."""
    schema = BODY.json_schema()
    return _inlined(schema, schema.get("$defs", {}))


def _inlined(node: Mapping[str, object], definitions: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    reference = node.get("$ref")
    if isinstance(reference, str):
        return _inlined(definitions[reference.rpartition("/")[2]], definitions)
    return {name: _inline(value, definitions) for name, value in node.items() if name != "$defs"}


def _inline(value: object, definitions: Mapping[str, Mapping[str, object]]) -> object:
    if isinstance(value, Mapping):
        return _inlined(value, definitions)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_inline(one, definitions) for one in value]
    return value
