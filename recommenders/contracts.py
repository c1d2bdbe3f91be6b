"""The shapes that cross a border of this domain: what users did, what can be recommended, how a strategy is asked.

Users and items are small numbers (codes), their positions in the lists of ids; -1 is somebody or something unknown.
Everything here is frozen and free of Django. Arrays are not copied: do not write into them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from recommenders.errors import InvalidData

Codes = npt.NDArray[np.int32]
Times = npt.NDArray[np.int64]  # seconds since 1970, or any number that orders events
Floats = npt.NDArray[np.float32]
Kinds = npt.NDArray[np.int8]

Progress = Callable[[float, str], None]  # share done, what is being done

UNKNOWN = -1


class Kind(IntEnum):
    """What a user did with an item."""

    VIEW = 0
    CLICK = 1
    FAVOURITE = 2
    PURCHASE = 3
    RATING = 4


def silent(_share: float, _step: str) -> None:
    """Nobody watches."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Items:
    """What can be recommended. Every feature is given for all items or for none.

    ``texts`` are titles and descriptions, "" where an item has none; ``categories`` positions in ``category_names``, -1
    where there is none; ``prices`` in any one unit, nan where unknown; ``images`` vectors or pixels, shape (n, …).
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...] | None = None
    categories: Codes | None = None
    category_names: tuple[str, ...] = ()
    prices: Floats | None = None
    tags: tuple[tuple[str, ...], ...] | None = None
    images: Floats | None = None

    def __post_init__(self) -> None:
        if len(set(self.ids)) != len(self.ids):
            raise InvalidData("items", "an id is given twice")
        for name in ("texts", "categories", "prices", "tags", "images"):
            feature = getattr(self, name)
            if feature is not None and len(feature) != len(self.ids):
                raise InvalidData(name, f"{len(feature)} given for {len(self.ids)} items, must be one each")

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def codes(self) -> Mapping[str, int]:
        """Id → code."""
        return {name: code for code, name in enumerate(self.ids)}

    @property
    def features(self) -> frozenset[str]:
        """Which features there are: ``item_text``, ``item_category``, ``item_price``, ``item_tags``, ``item_image``."""
        given = {
            "item_text": self.texts,
            "item_category": self.categories,
            "item_price": self.prices,
            "item_tags": self.tags,
            "item_image": self.images,
        }
        return frozenset(name for name, feature in given.items() if feature is not None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Interactions:
    """What users did, sorted by user and time; equal times keep the order in which they came.

    ``users``, ``items``, ``times``, ``kinds`` and ``values`` have shape (n,). ``values`` are ratings where ``rated``,
    otherwise how much (quantity, 1 by default). Build it with :meth:`build`.
    """

    users: Codes
    items: Codes
    times: Times
    kinds: Kinds
    values: Floats
    user_ids: tuple[str, ...]
    catalogue: Items
    rated: bool = False

    @classmethod
    def build(
        cls,
        *,
        users: npt.ArrayLike,
        items: npt.ArrayLike,
        catalogue: Items,
        user_ids: Sequence[str],
        times: npt.ArrayLike | None = None,
        kinds: npt.ArrayLike | None = None,
        values: npt.ArrayLike | None = None,
        rated: bool = False,
    ) -> Interactions:
        """Check and sort. Without ``times`` the order given is the order of time; kinds are purchases by default.

        Raises:
            InvalidData: lengths that differ, codes out of range, or values that are not finite.

        >>> catalogue = Items(ids=("a", "b"))
        >>> data = Interactions.build(users=[1, 0, 1], items=[0, 1, 1], catalogue=catalogue, user_ids=["x", "y"])
        >>> data.users.tolist(), data.items.tolist(), data.offsets.tolist()
        ([0, 1, 1], [1, 0, 1], [0, 1, 3])
        """
        who, what = np.asarray(users, dtype=np.int32), np.asarray(items, dtype=np.int32)
        n = who.size
        when = np.arange(n, dtype=np.int64) if times is None else np.asarray(times, dtype=np.int64)
        kind = np.full(n, Kind.PURCHASE, dtype=np.int8) if kinds is None else np.asarray(kinds, dtype=np.int8)
        value = np.ones(n, dtype=np.float32) if values is None else np.asarray(values, dtype=np.float32)
        for name, column in (("users", who), ("items", what), ("times", when), ("kinds", kind), ("values", value)):
            if column.shape != (n,):
                raise InvalidData(name, f"shape {column.shape}, must be ({n},)")
        for name, column, most in (("users", who, len(user_ids)), ("items", what, len(catalogue))):
            if n and not (column.min() >= 0 and column.max() < most):
                raise InvalidData(name, f"codes {column.min()} to {column.max()}, must be 0 to {most - 1}")
        if not np.isfinite(value).all():
            raise InvalidData("values", "must all be finite")
        order = np.lexsort((when, who))  # stable
        return cls(
            users=who[order],
            items=what[order],
            times=when[order],
            kinds=kind[order],
            values=value[order],
            user_ids=tuple(user_ids),
            catalogue=catalogue,
            rated=rated,
        )

    def __len__(self) -> int:
        return int(self.users.size)

    @cached_property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Where each user's rows begin, and the end: shape (users + 1,)."""
        counts = np.bincount(self.users, minlength=len(self.user_ids))
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Interactions:
        """Some of the rows, in the same order, of the same users and items."""
        return Interactions(
            users=self.users[rows],
            items=self.items[rows],
            times=self.times[rows],
            kinds=self.kinds[rows],
            values=self.values[rows],
            user_ids=self.user_ids,
            catalogue=self.catalogue,
            rated=self.rated,
        )

    def batch(self, users: npt.ArrayLike, *, now: npt.ArrayLike | None = None) -> Batch:
        """A request for these users with all that they did here as their history."""
        who = np.asarray(users, dtype=np.int32)
        starts, ends = self.offsets[who], self.offsets[who + 1]
        rows = np.concatenate([np.zeros(0, dtype=np.int64), *map(np.arange, starts, ends)])
        last = self.times.max() + 1 if len(self) else 0
        return Batch(
            users=who,
            items=self.items[rows],
            times=self.times[rows],
            kinds=self.kinds[rows],
            values=self.values[rows],
            offsets=np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int64),
            now=np.full(who.size, last, dtype=np.int64) if now is None else np.asarray(now, dtype=np.int64),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """A request for several users at once: who they are, and what they did, oldest first.

    Row b's history is ``items[offsets[b]:offsets[b + 1]]``, and the same of ``times``, ``kinds`` and ``values``; it
    holds known items only. ``users`` has shape (B,), -1 for users that were not there in training; ``now`` is the
    moment of the request, shape (B,). ``candidates`` are the items to score, shape (C,); None asks for all.
    """

    users: Codes
    items: Codes
    times: Times
    kinds: Kinds
    values: Floats
    offsets: npt.NDArray[np.int64]
    now: Times
    candidates: Codes | None = None

    def __len__(self) -> int:
        return int(self.users.size)

    @cached_property
    def rows(self) -> npt.NDArray[np.int64]:
        """The row of the batch that each entry of the histories belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.offsets))

    def history(self, row: int) -> Codes:
        """The items of one row, oldest first."""
        return self.items[self.offsets[row] : self.offsets[row + 1]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What training may use. ``seconds`` of time, ``memory`` in bytes, ``threads``."""

    seconds: float = 300.0
    memory: int = 4_000_000_000
    threads: int = 1


BUDGET = Budget()


@dataclass(frozen=True, slots=True, kw_only=True)
class FitReport:
    """What training did. ``notes`` are a strategy's own figures, for people."""

    seconds: float
    users: int
    items: int
    interactions: int
    notes: Mapping[str, str | int | float] = field(default_factory=dict)
