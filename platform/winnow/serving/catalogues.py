"""What can be shown: the items of a version without those that are not available, and which of them are popular."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recommenders.contracts import Codes, Items
from winnow.catalog.models import Item
from winnow.serving.recent import Recent

Flags = npt.NDArray[np.bool_]

SECONDS = 3.0  # after which availability is looked up again
MOST_POPULAR = 10_000


def _unavailable(_: str) -> frozenset[str]:
    return frozenset(Item.objects.filter(available=False).values_list("item_id", flat=True))


def _available(_: str) -> tuple[str, ...]:
    rows = Item.objects.filter(available=True).order_by("-id").values_list("item_id", flat=True)
    return tuple(rows[:MOST_POPULAR])


UNAVAILABLE = Recent(_unavailable, seconds=SECONDS)
AVAILABLE = Recent(_available, seconds=SECONDS)


@dataclass(slots=True, eq=False)
class Catalogue:
    """Items by code. Keeps what was computed for the last set of unavailable items and the last popularity."""

    items: Items
    _available: tuple[frozenset[str], Flags] | None = field(default=None)
    _order: tuple[Mapping[str, float], Codes] | None = field(default=None)

    def __len__(self) -> int:
        return len(self.items)

    def available(self) -> Flags:
        """Which items may be shown to anybody, shape (items,). Not to be written into."""
        hidden = UNAVAILABLE.get("")
        last = self._available
        if last is None or last[0] is not hidden:
            flags = np.ones(len(self.items), dtype=bool)
            flags[list(self.codes(hidden))] = False
            self._available = last = (hidden, flags)
        return last[1]

    def codes(self, item_ids: frozenset[str] | tuple[str, ...]) -> list[int]:
        """The codes of those that are known here."""
        known = self.items.codes
        return [known[item_id] for item_id in item_ids if item_id in known]

    def order(self, popularity: Mapping[str, float]) -> Codes:
        """All codes, the most popular first; of equal ones the smaller code first."""
        last = self._order
        if last is None or last[0] is not popularity:
            scores = np.array([popularity.get(item_id, 0.0) for item_id in self.items.ids])
            self._order = last = (popularity, np.argsort(-scores, kind="stable").astype(np.int32))
        return last[1]


_platform: tuple[Mapping[str, float], tuple[str, ...], Catalogue] | None = None


def platform_catalogue(popularity: Mapping[str, float], candidates: Sequence[str] = ()) -> Catalogue:
    """What is popular and what the shop has, where no version says what there is; and what a request itself names."""
    global _platform
    last, available = _platform, AVAILABLE.get("")
    if candidates:
        return Catalogue(Items(ids=tuple(dict.fromkeys((*popularity, *available, *candidates)))))
    if last is None or last[0] is not popularity or last[1] != available:
        ids = tuple(dict.fromkeys((*popularity, *available)))
        _platform = last = (popularity, available, Catalogue(Items(ids=ids)))
    return last[2]
