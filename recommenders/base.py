"""What a strategy is: a configuration, training, and scores."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from types import NoneType
from typing import ClassVar, Generic, Self, TypeVar, get_args, get_type_hints

import numpy as np
import numpy.typing as npt

from recommenders.checkpoints import Checkpoint
from recommenders.contracts import BUDGET, Batch, Budget, FitReport, Floats, Interactions, Items, Progress, silent
from recommenders.errors import InvalidConfig
from recommenders.ranking import Ranked

Arrays = Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoConfig:
    """Nothing can be set."""


C = TypeVar("C")


class Strategy(ABC, Generic[C]):
    """One way to rank items. Write a subclass in a file of its own and add one line to the registry.

    A strategy only scores. The platform translates ids, leaves out what may not be shown, picks the best, explores,
    logs and falls back, so that the arms of an experiment differ in their scores and in nothing else.

    ``Config`` is a frozen dataclass whose fields are numbers, texts, booleans, None, or tuples and mappings of them,
    all with defaults, checked in its ``__post_init__`` (raise :class:`InvalidConfig`). ``requires`` names what the data
    must have: features of the items, ``history``, ``ratings``, ``times``.
    """

    key: ClassVar[str]
    name: ClassVar[str]
    family: ClassVar[str]  # a value of recommenders.models.Family
    description: ClassVar[str] = ""
    Config: ClassVar[type]
    requires: ClassVar[frozenset[str]] = frozenset()
    predicts_ratings: ClassVar[bool] = False  # scores of rated data are on the ratings' own scale
    checkpoint: Checkpoint | None = None  # where a long training may leave its place, and finds it when it was killed

    def __init__(self, config: C | None = None) -> None:
        self.config: C = self.Config() if config is None else config

    @abstractmethod
    def fit(
        self, data: Interactions, *, seed: int = 0, budget: Budget = BUDGET, progress: Progress = silent
    ) -> FitReport:
        """Learn from what users did. The same data, configuration and seed give the same scores.

        Raises:
            Unfit: the data lacks something, or the work would not fit into the budget.
        """

    @abstractmethod
    def score(self, batch: Batch) -> Floats:
        """How good each item is for each row: float32, shape (B, items), or (B, candidates). Higher is better.

        Finite for every item that the strategy knows anything about and -inf for the others. The history in the batch
        counts, not the one seen in training, so what a user did a second ago matters.
        """

    @property
    def shortlist(self) -> int:
        """How many of the best items :meth:`rerank` wants to see; 0 where the scores are the last word."""
        return 0

    def rerank(self, batch: Batch, ranked: Ranked) -> Ranked:
        """The best items, picked by the platform and fit to be shown, in a better order and perhaps with reasons.

        The same items come back, each once. Whatever goes wrong, the order that was given is an answer; ``outcomes``, a
        Counter where a strategy has one, says how often which outcome was reached.
        """
        return ranked

    @abstractmethod
    def state(self) -> Arrays:
        """All that was learnt, as arrays by name; what is stored of a version."""

    @classmethod
    @abstractmethod
    def restore(cls, config: C, arrays: Arrays, items: Items) -> Self:
        """The strategy whose state this is, scoring exactly as it did."""


def report_of(data: Interactions, started: float, **notes: str | int | float) -> FitReport:
    """What training did, since ``started`` (of time.monotonic)."""
    return FitReport(
        seconds=time.monotonic() - started,
        users=len(data.user_ids),
        items=len(data.catalogue),
        interactions=len(data),
        notes=notes,
    )


def config_from(kind: type, values: Mapping[str, object]) -> object:
    """A configuration from JSON. Lists become tuples.

    Raises:
        InvalidConfig: a field that does not exist, or a value that breaks a rule.
    """
    known = {one.name for one in fields(kind)}
    for name in values:
        if name not in known:
            raise InvalidConfig(name, f"is no field of this strategy; there are {', '.join(sorted(known)) or 'none'}")
    hints = get_type_hints(kind)
    for name, value in values.items():
        _check_type(name, value, hints[name])
    try:
        return kind(**{name: _frozen(value) for name, value in values.items()})
    except (TypeError, AttributeError) as error:  # a list of the wrong things, say
        raise InvalidConfig(", ".join(values), f"{dict(values)!r} cannot be used: {error}") from None


def config_to(config: object) -> dict[str, object]:
    """A configuration as JSON."""
    return asdict(config) if is_dataclass(config) and not isinstance(config, type) else {}


def _frozen(value: object) -> object:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


PLAIN: Mapping[type, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "a text"),
}


def _check_type(name: str, value: object, hint: object) -> None:
    """Raise InvalidConfig where a plain field is given something else; what is not plain the class itself checks."""
    choices = get_args(hint) if NoneType in get_args(hint) else (hint,)
    if value is None and NoneType in choices:
        return
    plain = [PLAIN[one] for one in choices if one in PLAIN]
    if len(plain) != len([one for one in choices if one is not NoneType]):
        return
    for types, _ in plain:
        if isinstance(value, types) and (bool in types or not isinstance(value, bool)):
            return
    raise InvalidConfig(name, f"{value!r} must be {' or '.join(words for _, words in plain)}")
