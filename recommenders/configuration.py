"""What can be set of a strategy, as its configuration class and that class's docstring say it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, asdict, dataclass, fields
from enum import StrEnum
from inspect import getdoc
from types import NoneType
from typing import get_args, get_type_hints

SECTION = re.compile(r"^(?:Attributes|Args):$", re.MULTILINE)
ENTRY = re.compile(r"^    (\w+): (.*(?:\n        .*)*)", re.MULTILINE)
MENTION = re.compile(r"(?:^|(?<=[.;,] )|(?<=\n))``(\w+)``")


class Entry(StrEnum):
    """How a value is written by people. Of JSON are lists and objects."""

    INTEGER = "integer"
    NUMBER = "number"
    SWITCH = "switch"
    TEXT = "text"
    JSON = "json"


ENTRIES = {bool: Entry.SWITCH, int: Entry.INTEGER, float: Entry.NUMBER, str: Entry.TEXT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One field of a configuration. ``optional``: it may be None. ``default`` is a value of JSON."""

    name: str
    entry: Entry
    optional: bool
    default: object
    explanation: str


def settings_of(config: type) -> tuple[Setting, ...]:
    """The fields of a configuration class, in its order.

    >>> from recommenders.strategies.baselines import RecentPopularity
    >>> for one in settings_of(RecentPopularity.Config):
    ...     print(one.name, one.entry, one.optional, one.default, "|", one.explanation)
    half_life_days number True 14.0 | after so many days an event counts half; None counts all alike
    """
    hints = get_type_hints(config)
    names = [one.name for one in fields(config)]
    said = explanations(getdoc(config) or "", names)
    return tuple(
        Setting(
            name=one.name,
            entry=_entry(hints[one.name]),
            optional=NoneType in get_args(hints[one.name]),
            default=_default(one),
            explanation=said.get(one.name, ""),
        )
        for one in fields(config)
    )


def settings_to_json(config: type) -> list[dict[str, object]]:
    """The fields for programs."""
    return [asdict(one) for one in settings_of(config)]


def explanations(doc: str, names: Sequence[str]) -> Mapping[str, str]:
    """What a docstring says of each name: under ``Attributes:``, or after the name in double backticks.

    >>> explanations("``text``, ``tags``: weights. ``decay`` of the past; 1 is none.", ["text", "tags", "decay"])
    {'text': 'weights', 'tags': 'weights', 'decay': 'of the past; 1 is none'}
    """
    parts = SECTION.split(doc)
    if len(parts) > 1:
        return {name: _tidy(text) for name, text in ENTRY.findall(parts[1]) if name in names}
    found = [mention for mention in MENTION.finditer(doc) if mention[1] in names]
    ends = [*(mention.start() for mention in found[1:]), len(doc)]
    texts = [_tidy(doc[mention.end() : end]) for mention, end in zip(found, ends, strict=False)]
    for place in range(len(texts) - 2, -1, -1):
        texts[place] = texts[place] or texts[place + 1]  # names with commas between share what is said
    return {mention[1]: text for mention, text in zip(found, texts, strict=True)}


def _tidy(text: str) -> str:
    return " ".join(text.replace("``", "").split()).lstrip(" :;,").rstrip(" :;,.")


def _entry(hint: type) -> Entry:
    kinds = [one for one in get_args(hint) if one is not NoneType] if NoneType in get_args(hint) else [hint]
    return ENTRIES.get(kinds[0], Entry.JSON) if len(kinds) == 1 else Entry.JSON


def _default(one: Field[object]) -> object:
    default = one.default_factory() if one.default_factory is not MISSING else one.default
    return list(default) if isinstance(default, tuple) else default
