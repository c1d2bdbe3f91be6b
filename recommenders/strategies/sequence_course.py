"""How the training of a sequence model runs: how many steps, how fast, compared with what, and which was best."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from recommenders.contracts import Budget, Floats, Interactions
from recommenders.strategies.sequence_model import ROWS_AT_ONCE, SequenceModel
from recommenders.strategies.sequence_windows import HeldOut, Places

Arrays = Mapping[str, npt.NDArray[np.generic]]

WARM_UP = 0.05  # share of the steps
CHECKS, FIRST_CHECK = 12, 0.4  # how often the held out are asked, and after which share of the steps
TIME_TO_JUDGE = 0.5  # share of the budget after which the time of a step is believed
RESERVE = 0.95  # of the budget, for steps
BUSY = 3.0  # how many times longer than its computing training may take on a busy machine
NS_PER_PRODUCT = 0.4  # one thread of a slow machine, forwards and backwards
BEST, PLACES = 10, 50
ALIKE = 0.25  # share of the negatives that are any items, where some were never taken


class Clock:
    """How much of the time is used: of computing, so that others on the machine change nothing, up to a limit."""

    def __init__(self, budget: Budget) -> None:
        self.seconds = budget.seconds
        self.computed, self.passed = time.thread_time(), time.monotonic()

    def used(self) -> float:
        """The share of the budget that is gone."""
        computed, passed = self.spent()
        return max(computed, passed / BUSY) / self.seconds

    def spent(self) -> tuple[float, float]:
        """Seconds of computing and of waiting until now."""
        return time.thread_time() - self.computed, time.monotonic() - self.passed

    def go_on(self, computed: float, passed: float) -> None:
        """So much was spent already."""
        self.computed, self.passed = time.thread_time() - computed, time.monotonic() - passed


class Course:
    """How many steps there will be, and the learning rate of each: up in a line, down in half a cosine.

    >>> course = Course(100, 0.002, used=0.0)
    >>> course.rate()
    0.0004
    >>> for step in range(50):
    ...     course.advance(used=(step + 1) / 64)
    >>> course.total, course.done, course.over()
    (60, 50, False)
    """

    def __init__(self, planned: int, highest: float, used: float) -> None:
        self.planned = self.total = planned
        self.highest, self.begun, self.used = highest, used, used
        self.done = self.checks = 0

    def rate(self) -> float:
        """Of the next step."""
        warm = max(WARM_UP * self.total, 1.0)
        if self.done < warm:
            return self.highest * min((self.done + 1) / warm, 1.0)
        return self.highest * 0.5 * (1 + math.cos(math.pi * (self.done - warm) / max(self.total - warm, 1.0)))

    def advance(self, used: float) -> None:
        """One step is done. Plan fewer where not all would fit, so that the rate still comes down to 0."""
        self.done, self.used = self.done + 1, used
        if used > max(TIME_TO_JUDGE, self.begun):
            left = max(RESERVE - used, 0.0) * self.done / (used - self.begun)
            self.total = min(self.total, self.done + int(left))

    def over(self) -> bool:
        """Whether that was the last step."""
        return self.done >= self.total or self.used >= 1

    def due(self) -> bool:
        """Whether to check now; always after the last step."""
        at = (FIRST_CHECK + self.checks / CHECKS * (1 - FIRST_CHECK)) * self.total
        due = self.over() or self.done >= at
        self.checks += due
        return due


class Negatives:
    """Items to compare a target with, drawn as often as they were taken.

    Where content describes items that nobody took, a quarter is drawn from all items alike: otherwise nothing would
    ever say that a kind of item does not sell.
    """

    def __init__(
        self, data: Interactions, count: int, rng: np.random.Generator, described: npt.NDArray[np.bool_]
    ) -> None:
        taken = np.bincount(data.items, minlength=len(data.catalogue)).astype(np.int64)
        weights = taken
        if (described & (taken == 0)).any():
            anything = described | (taken > 0)
            shares = (1 - ALIKE) * taken / taken.sum() + ALIKE * anything / anything.sum()
            weights = np.round(shares * 2.0**52).astype(np.int64)
        self.rng, self.count, self.sums = rng, count, np.cumsum(weights)
        # logarithm of how often a draw brings each item: what sampling adds to the odds, to be taken off again
        self.expected: Floats = np.log(np.maximum(count * (weights / weights.sum()), 1e-12)).astype(np.float32)

    def draw(self) -> Places:
        """Codes, shape (count,)."""
        return np.searchsorted(self.sums, self.rng.integers(self.sums[-1], size=self.count), side="right")


class Best:
    """The arrays that found most of what was held out; the last ones where nothing was."""

    def __init__(self, held_out: HeldOut | None) -> None:
        self.held_out = held_out
        self.arrays: Arrays = {}
        self.ndcg, self.step = math.nan, 0

    def offer(self, arrays: Arrays, model: SequenceModel, step: int) -> None:
        """Keep these if they are not worse than those before."""
        if self.held_out is not None:
            found = ndcg(model, self.held_out)
            if found < self.ndcg:
                return
            self.ndcg = found
        self.arrays, self.step = arrays, step


def ndcg(model: SequenceModel, held_out: HeldOut) -> float:
    """Mean of 1 / log₂(1 + rank) where the held-out item is among the ten best.

    Whoever takes an old item again is offered all items, everybody else those not in the history.
    """
    total = 0.0
    for first in range(0, held_out.users.size, ROWS_AT_ONCE):
        batch = held_out.data.batch(held_out.users[first : first + ROWS_AT_ONCE])
        targets = held_out.targets[first : first + ROWS_AT_ONCE]
        scores = model.score(batch)
        wanted = scores[np.arange(len(scores)), targets]
        again = np.bincount(batch.rows, weights=batch.items == targets[batch.rows], minlength=len(batch)) > 0
        old = ~again[batch.rows]
        scores[batch.rows[old], batch.items[old]] = -np.inf
        rank = 1 + (scores > wanted[:, None]).sum(axis=1)
        total += (1 / np.log2(1 + rank[(rank <= BEST) & np.isfinite(wanted)])).sum()
    return float(total / held_out.users.size)


def newcomers_bonus(
    model: SequenceModel, data: Interactions, newcomers: npt.NDArray[np.bool_], share: float, rng: np.random.Generator
) -> float:
    """What to add to the scores of items that nobody took, so that they get this share of the fifty best places.

    Content alone tells what an item is, not that it sells: it is scored as the average of its kind, and the best places
    belong to those that sell. Never below 0, and no more than the newcomers' share of the catalogue.
    """
    old = np.flatnonzero(~newcomers & np.isfinite(model.bonus))
    share, places = min(share, float(newcomers.mean())), min(PLACES, old.size)
    if share == 0 or places == 0:
        return 0.0
    users = np.flatnonzero(np.diff(data.offsets) > 0)
    batch = data.batch(rng.choice(users, size=min(ROWS_AT_ONCE, users.size), replace=False))
    scores = model.score(batch)
    scores[batch.rows, batch.items] = -np.inf
    best_old = -np.sort(-scores[:, old], axis=1)[:, :places]
    best_new = -np.sort(-scores[:, newcomers], axis=1)[:, :places]
    # the j-th newcomer is among the best once it beats the old item that j others leave in the last place
    needed = np.sort((best_old[:, ::-1][:, : best_new.shape[1]] - best_new).ravel())
    return max(0.0, float(needed[min(int(share * places * len(scores)), needed.size - 1)]))


def affordable(events: int, *, products: int, batch: int, passes: int, budget: Budget) -> int:
    """How many steps to plan: all passes, or as many as fit on a slow machine. The same on every machine.

    Args:
        events: of one pass.
        products: multiplications that the model makes for one event.
        batch: events of one step.
        passes: over the data.
        budget: what may be used.
    """
    fit = int(RESERVE * budget.seconds * 1e9 / (batch * products * NS_PER_PRODUCT))
    return max(min(passes * math.ceil(events / batch), fit), 1)
