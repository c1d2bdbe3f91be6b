"""Parts of the evaluation: kinds of users, and kinds of items to find."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from recommenders.offline.splits import Split

Pairs = npt.NDArray[np.int64]  # user place · items + item, ascending and without repetition


class Pool(Enum):
    """Which items are ranked for a user."""

    ALL = "all"
    NEW = "new"  # that are not in the user's history
    TAKEN = "taken"  # that are in it
    COLD = "cold"  # that nobody took in training


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice:
    """``wanted`` are the items to be found among those of ``pool``; ``users`` marks whose, shape (users,)."""

    name: str
    pool: Pool
    wanted: Pairs
    users: npt.NDArray[np.bool_]

    def relevant(self, size: int) -> npt.NDArray[np.int64]:
        """How many items are to be found for each user, 0 for users of other slices; ``size`` is the catalogue's."""
        return np.bincount(self.wanted // size, minlength=self.users.size) * self.users


def slices_of(split: Split, *, k: int, new_only: bool) -> tuple[Slice, ...]:
    """``all`` first, then the others that have somebody in them.

    ``light users`` have no more than the median number of events in their history and ``heavy users`` more; ``cold
    users`` none. ``new items`` are ranked among the items that the user had not taken, ``repeat items`` among those
    taken. ``cold items``, that nobody took in training, are ranked among all and again, ``cold items apart``, among
    themselves if there are more than k.

    Args:
        split: what is known and what is to be found.
        k: length of the lists.
        new_only: only items that are not in the user's history are ranked and to be found.
    """
    size = len(split.train.catalogue)
    wanted, taken = wanted_pairs(split), history_pairs(split)
    known = among(wanted, taken)
    new, repeated = wanted[~known], wanted[known]
    unsold = np.bincount(split.train.items, minlength=size) == 0
    lengths = np.diff(split.history.offsets)[split.users]
    pool, everything = (Pool.NEW, new) if new_only else (Pool.ALL, wanted)
    evaluated = _with_any(everything, lengths.size, size)
    heavy = lengths > (np.median(lengths[evaluated]) if evaluated.any() else 0)
    found = [
        Slice(name="all", pool=pool, wanted=everything, users=evaluated),
        Slice(name="light users", pool=pool, wanted=everything, users=evaluated & ~heavy),
        Slice(name="heavy users", pool=pool, wanted=everything, users=evaluated & heavy),
        Slice(name="cold users", pool=pool, wanted=everything, users=evaluated & (lengths == 0)),
    ]
    if not new_only:
        found += [
            Slice(name="new items", pool=Pool.NEW, wanted=new, users=_with_any(new, lengths.size, size)),
            Slice(name="repeat items", pool=Pool.TAKEN, wanted=repeated, users=_with_any(repeated, lengths.size, size)),
        ]
    cold = everything[unsold[everything % size]]
    with_cold = _with_any(cold, lengths.size, size)
    found.append(Slice(name="cold items", pool=pool, wanted=cold, users=with_cold))
    if unsold.sum() > k:
        found.append(Slice(name="cold items apart", pool=Pool.COLD, wanted=cold, users=with_cold))
    return tuple(part for place, part in enumerate(found) if part.users.any() or not place)


def wanted_pairs(split: Split) -> Pairs:
    """What each evaluated user took in the test, once each."""
    return np.unique(places(split)[split.test.users] * len(split.train.catalogue) + split.test.items)


def history_pairs(split: Split) -> Pairs:
    """What each evaluated user had taken when asked, once each."""
    place = places(split)[split.history.users]
    known = place >= 0
    return np.unique(place[known] * len(split.train.catalogue) + split.history.items[known])


def among(pairs: Pairs, known: Pairs) -> npt.NDArray[np.bool_]:
    """Which of the pairs, in any order and shape, are among the known ones, which are in ascending order."""
    if not known.size:
        return np.zeros(pairs.shape, dtype=bool)
    found = np.searchsorted(known, pairs)
    return np.asarray(known[np.minimum(found, known.size - 1)] == pairs)


def places(split: Split) -> npt.NDArray[np.int64]:
    """User code → place among the evaluated users, -1 for the others."""
    found = np.full(len(split.train.user_ids), -1, dtype=np.int64)
    found[split.users] = np.arange(split.users.size)
    return found


def _with_any(pairs: Pairs, users: int, size: int) -> npt.NDArray[np.bool_]:
    return np.bincount(pairs // size, minlength=users) > 0
