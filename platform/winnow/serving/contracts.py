"""What is asked for and what is answered. Bounds and wording of a request's errors are in :mod:`.parsing`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, ConfigDict, Field

MOST_ITEMS = 500  # in a list
MOST_USERS = 1_000
MOST_PLACES = 100_000  # users × items
MOST_ACTS = 1_000
MOST_NAMED = 10_000  # candidates or exclusions of one user

Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing that a user did with an item: a purchase unless ``event`` names another kind."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    item_id: Text
    timestamp: AwareDatetime | None = None
    event: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whom a list is for. Without ``history`` the platform's own is used; an empty one is a history too.

    ``candidates``: the only items that may be shown. ``exclude``: items that may not. ``timestamp``: when the list is
    asked for, where that is not now: for replays and simulations.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    user_id: Text | None = None
    anonymous_id: Text | None = None
    history: Annotated[tuple[Act, ...], Field(max_length=MOST_ACTS)] | None = None
    candidates: Annotated[tuple[Text, ...], Field(max_length=MOST_NAMED)] | None = None
    exclude: Annotated[tuple[Text, ...], Field(max_length=MOST_NAMED)] = ()
    timestamp: AwareDatetime | None = None

    @property
    def who(self) -> str:
        """The id that is hashed and logged."""
        return self.user_id or self.anonymous_id or ""

    def moment(self, *, now: int) -> int:
        """When the list is asked for, in seconds since 1970."""
        return now if self.timestamp is None else int(self.timestamp.timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Lists for some users, from the arms of an experiment or from one strategy (``key`` or ``key@version``).

    ``expose``: log the exposure (Experiment Viewed) too, for pages that show the list at once and log nothing there.
    ``budget_ms``: how long the strategy may take; the platform's own bound where it is not given.
    """

    people: tuple[Person, ...]
    many: bool  # answered as a batch
    experiment: str | None = None
    strategy: str | None = None
    surface: str | None = None
    k: int = 10
    exclude_history: bool = True
    expose: bool = False
    budget_ms: int | None = None


class Source(StrEnum):
    """How an item came to its place."""

    STRATEGY = "strategy"
    EXPLORATION = "exploration"
    FALLBACK = "fallback"


class Trouble(StrEnum):
    """Why a list, or a part of it, is not the strategy's own."""

    NO_STRATEGY = "no_strategy"
    NO_VERSION = "no_version"
    UNKNOWN_VERSION = "unknown_version"
    NO_ARTEFACT = "no_artefact"
    BROKEN_ARTEFACT = "broken_artefact"
    MISSING_PACKAGE = "missing_package"
    LOADING = "loading"
    RAISED = "raised"
    WRONG_SHAPE = "wrong_shape"
    NOT_FINITE = "not_finite"
    TOO_FEW = "too_few"
    SLOW = "slow"
    RERANK_FAILED = "rerank_failed"
    RERANK_SLOW = "rerank_slow"
    HISTORY_UNREADABLE = "history_unreadable"


class Unservable(Exception):
    """A strategy that cannot answer now. ``trouble`` is for counters, the message for people."""

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__(message)
        self.trouble = trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One place of a list. ``propensity``: the chance, given the places above, that this item is here."""

    item_id: str
    propensity: float
    source: Source
    score: float | None = None
    reason: str = ""  # the strategy's own, for the user


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedList:
    """A list as it is logged and answered. ``arm`` is None where no running experiment assigned one.

    ``pool`` is how many items might have been shown; ``trouble`` and ``message`` say what went wrong, if anything.
    """

    ranking_id: str
    person: Person
    slots: tuple[Slot, ...]
    strategy: str
    version: str
    pool: int
    experiment: str | None = None
    arm: str | None = None
    exploration: float = 0.0
    trouble: Trouble | None = None
    message: str = ""
