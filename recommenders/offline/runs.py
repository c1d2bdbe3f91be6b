"""One trained strategy asked for every user, batch by batch, so that memory stays bounded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recommenders.base import Strategy
from recommenders.contracts import UNKNOWN, Codes, Floats
from recommenders.errors import InvalidData
from recommenders.offline.ranking_metrics import ACCURACY, accuracy
from recommenders.offline.slices import Pairs, Pool, Slice, among, history_pairs, places
from recommenders.offline.splits import Split
from recommenders.ranking import top_k

Values = npt.NDArray[np.float64]

USERS, SCORES = 1_024, 16_000_000  # the most in one batch


@dataclass(kw_only=True, eq=False)
class Run:
    """``accuracy`` by (metric, slice), nan for users of other slices; ``lists`` of the users of ``all``, shape (n, k).

    ``predicted`` are the scores of the test events, shape (m,), where they were asked for.
    """

    lists: Codes
    predicted: Values
    accuracy: dict[tuple[str, str], Values] = field(default_factory=dict)
    seconds: float = 0.0
    not_numbers: int = 0


def run(
    strategy: Strategy[object],
    split: Split,
    slices: tuple[Slice, ...],
    *,
    k: int,
    predict: bool,
    progress: Callable[[float], None],
) -> Run:
    """Rank for every user in every slice.

    Raises:
        InvalidData: the strategy's scores have another shape than that of users × items.
    """
    count, size = split.users.size, len(split.train.catalogue)
    found = Run(lists=np.full((count, k), UNKNOWN, dtype=np.int32), predicted=np.full(len(split.test), np.nan))
    for part in slices:
        found.accuracy |= {(metric, part.name): np.full(count, np.nan) for metric in ACCURACY}
    taken, where = history_pairs(split), places(split)[split.test.users]
    cold = np.flatnonzero(np.bincount(split.train.items, minlength=size) == 0)
    for begin, end in _batches(count, size):
        started = time.monotonic()
        scores = strategy.score(split.batch(begin, end))
        found.seconds += time.monotonic() - started
        if scores.shape != (end - begin, size):
            raise InvalidData("scores", f"shape {scores.shape}, must be ({end - begin}, {size})")
        found.not_numbers += int(np.isnan(scores).sum())
        if predict:
            rows = slice(*np.searchsorted(where, [begin, end]))
            found.predicted[rows] = scores[where[rows] - begin, split.test.items[rows]]
        block = Block(scores=scores, begin=begin, taken=_within(taken, begin, end, size), cold=cold)
        _measure(found, block, slices, k)
        progress(end / count)
    return found


@dataclass(kw_only=True, eq=False)
class Block:
    """The scores of users ``begin`` and following, with the pairs that they took; lists are made once for each pool."""

    scores: Floats
    begin: int
    taken: Pairs
    cold: npt.NDArray[np.int64]

    def lists(self, pool: Pool, rows: npt.NDArray[np.int64], k: int) -> Codes:
        """The k best items of a pool for these rows."""
        if pool is Pool.COLD:
            found = top_k(self.scores[np.ix_(rows, self.cold)], k).items
            return np.where(found < 0, UNKNOWN, self.cold[found]).astype(np.int32)
        scores = self.scores[rows]  # a copy
        if pool is not Pool.ALL:
            users, items = np.divmod(self.taken, self.scores.shape[1])
            place = np.full(len(self.scores), -1, dtype=np.int64)
            place[rows] = np.arange(rows.size)
            users = place[users - self.begin]
            users, items = users[users >= 0], items[users >= 0]
            own = scores[users, items]
            if pool is Pool.TAKEN:
                scores[:] = -np.inf
            scores[users, items] = own if pool is Pool.TAKEN else -np.inf
        return top_k(scores, k).items


def _measure(found: Run, block: Block, slices: tuple[Slice, ...], k: int) -> None:
    """The accuracy of the block's users, slices of the same pool from the same lists."""
    count, size = block.scores.shape
    here = slice(block.begin, block.begin + count)
    for pool in dict.fromkeys(part.pool for part in slices):
        parts = [part for part in slices if part.pool is pool]
        rows = np.flatnonzero(np.logical_or.reduce([part.users[here] for part in parts]))
        if not rows.size:
            continue
        lists = block.lists(pool, rows, k)
        if parts[0].name == slices[0].name:
            found.lists[block.begin + rows] = lists
        shown = (block.begin + rows)[:, None] * size + lists
        for part in parts:
            mine = part.users[here][rows]
            wanted = _within(part.wanted, block.begin, block.begin + count, size)
            hits = among(shown[mine], wanted) & (lists[mine] >= 0)
            users = block.begin + rows[mine]
            relevant = np.bincount(wanted // size - block.begin, minlength=count)[rows[mine]]
            for metric, values in accuracy(hits, relevant).items():
                found.accuracy[metric, part.name][users] = values


def _within(pairs: Pairs, begin: int, end: int, size: int) -> Pairs:
    low, high = np.searchsorted(pairs, [begin * size, end * size])
    return pairs[low:high]


def _batches(count: int, size: int) -> Iterator[tuple[int, int]]:
    most = max(min(USERS, SCORES // max(size, 1)), 1)
    for begin in range(0, count, most):
        yield begin, min(begin + most, count)
