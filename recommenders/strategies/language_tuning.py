"""Teaching a text encoder what people take together: a linear projection, trained by contrast, in numpy."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recommenders.contracts import Budget, Codes, Floats, Interactions, Progress
from recommenders.strategies.sequence_items import unit

Pairs = npt.NDArray[np.int32]  # shape (n, 2): an item and what the same user took next
FIRST, SECOND, TINY = 0.9, 0.999, 1e-8  # AdamW's usual constants
HELD_OUT, GROUPS, FEWEST = (
    0.2,
    40,
    4,
)  # share of the items, in so many groups of at least FEWEST, to choose how long to train
ENOUGH = 30  # pairs with a held-out item; with fewer they say too little
JUDGED = 5_000
LOOKS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How to train. ``strength``: how strongly the projection is drawn back to leaving vectors as they are."""

    steps: int
    batch: int
    rate: float
    temperature: float
    strength: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tuned:
    """The projection, shape (width, width), and how it came about.

    ``order``: share of the held-out items that what came next was put before, see :func:`passed`, before training and
    where it was best; nan where too few pairs could be held out.
    """

    projection: Floats
    steps: int
    pairs: int
    order: tuple[float, float]


def consecutive(data: Interactions, known: npt.NDArray[np.bool_]) -> Pairs:
    """What a user took, and next, for each user and in order; repeats of an item and unknown items are left out."""
    rows = np.flatnonzero(known[data.items])
    users, items = data.users[rows], data.items[rows]
    same = (users[1:] == users[:-1]) & (items[1:] != items[:-1])
    return np.stack([items[:-1][same], items[1:][same]], axis=1).astype(np.int32)


def tune(
    vectors: Floats, pairs: Pairs, tuning: Tuning, *, rng: np.random.Generator, budget: Budget, progress: Progress
) -> Tuned:
    """Train W so that unit(x W) of items taken one after the other lie close, and others do not.

    The loss is InfoNCE in both directions over the pairs of a batch, others' items being the negatives; AdamW pulls W
    to the identity. Every LOOKS steps held-out items are ranked; the best projection is kept, the identity included.

    Args:
        vectors: of the items, length 1 or 0, shape (items, width).
        pairs: see :func:`consecutive`.

    Source: A. van den Oord et al. (2018), Representation learning with contrastive predictive coding, equation 4;
    I. Loshchilov, F. Hutter (2019), Decoupled weight decay regularization, algorithm 2.
    """
    started = time.monotonic()
    projection = np.eye(vectors.shape[1], dtype=np.float32)
    held = held_out(vectors, np.unique(pairs), rng)
    outside = held[pairs].any(axis=1)
    judged, learnt = rng.permutation(pairs[outside & held[pairs[:, 1]]])[:JUDGED], pairs[~outside]
    if len(judged) < ENOUGH or not len(learnt):
        held, judged, learnt = np.zeros_like(held), judged[:0], pairs
    first = best = passed(vectors, projection, judged, held)
    kept, kept_step = projection, 0
    moments = (np.zeros_like(projection), np.zeros_like(projection))
    for step, batch in zip(range(1, tuning.steps + 1), _batches(learnt, tuning.batch, rng), strict=False):
        rate = tuning.rate * _warm(step, tuning.steps)
        _, slope = loss_and_slope(vectors, projection, batch, tuning.temperature)
        projection, moments = adamw(projection, slope, moments, step, rate, tuning.strength)
        late = time.monotonic() - started > budget.seconds
        if step % LOOKS == 0 or step == tuning.steps or late:
            share = passed(vectors, projection, judged, held)
            if not len(judged) or share > best:
                kept, kept_step, best = projection, step, share
            progress(step / tuning.steps, "learning from what was taken together")
        if late:
            break
    return Tuned(projection=kept, steps=kept_step, pairs=len(learnt), order=(first, best))


def held_out(vectors: Floats, items: Codes, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Marks a share HELD_OUT of these items, in groups of alike ones.

    Single items would leave others with the same words in the training, and more training would always look better.
    """
    held = np.zeros(len(items), dtype=bool)
    size = max(round(len(items) * HELD_OUT / GROUPS), FEWEST)
    for item in rng.permutation(items).tolist():
        if held.sum() >= HELD_OUT * len(items):
            break
        held[np.argsort(-(vectors[items] @ vectors[item]), kind="stable")[:size]] = True
    marks = np.zeros(len(vectors), dtype=bool)
    marks[items[held]] = True
    return marks


def loss_and_slope(vectors: Floats, projection: Floats, pairs: Pairs, temperature: float) -> tuple[float, Floats]:
    """Mean InfoNCE of both directions and its slope in the projection.

    An item that stands in a batch twice is not its own negative.
    """
    left, right = vectors[pairs[:, 0]], vectors[pairs[:, 1]]
    a, a_length = _projected(left, projection)
    b, b_length = _projected(right, projection)
    scores = a @ b.T / temperature
    n, own = len(pairs), np.arange(len(pairs))
    other = ~np.eye(n, dtype=bool)
    there = _softmax(np.where(other & (pairs[:, 1][:, None] == pairs[:, 1]), -np.inf, scores))
    back = _softmax(np.where(other & (pairs[:, 0][:, None] == pairs[:, 0]), -np.inf, scores).T)
    loss = -float(np.log(there[own, own]).mean() + np.log(back[own, own]).mean()) / 2
    slope = (there + back.T - 2 * np.eye(n, dtype=scores.dtype)) / (2 * n * temperature)
    found = left.T @ _before_unit(slope @ b, a, a_length) + right.T @ _before_unit(slope.T @ a, b, b_length)
    return loss, found


def adamw(
    value: Floats, slope: Floats, moments: tuple[Floats, Floats], step: int, rate: float, strength: float
) -> tuple[Floats, tuple[Floats, Floats]]:
    """One step of AdamW; the decay draws to the identity."""
    mean = FIRST * moments[0] + (1 - FIRST) * slope
    square = SECOND * moments[1] + (1 - SECOND) * slope**2
    move = mean / (1 - FIRST**step) / (np.sqrt(square / (1 - SECOND**step)) + TINY)
    drawn = strength * (value - np.eye(len(value), dtype=value.dtype))
    return (value - rate * (move + drawn)).astype(value.dtype), (mean, square)


def passed(vectors: Floats, projection: Floats, pairs: Pairs, among: npt.NDArray[np.bool_]) -> float:
    """Share of these items that are less like the first item of a pair than the second is; ties count half.

    The mean over the pairs: .5 is chance, 1 the best, nan of no pairs.
    """
    if not len(pairs):
        return float("nan")
    items = np.flatnonzero(among)
    scores = unit(vectors[pairs[:, 0]] @ projection) @ unit(vectors[items] @ projection).T
    own = np.take_along_axis(scores, np.searchsorted(items, pairs[:, 1])[:, None], axis=1)
    return float(((scores < own).mean() + (scores <= own).mean()) / 2)


def _batches(pairs: Pairs, size: int, rng: np.random.Generator) -> Iterator[Pairs]:
    """Without an end, in a new order each time through; of one pair there is nothing to learn."""
    while len(pairs) > 1:
        order = rng.permutation(len(pairs))
        for begin in range(0, len(pairs) - 1, size):
            yield pairs[order[begin : begin + size]]


def _warm(step: int, steps: int) -> float:
    """Share of the learning rate: up over the first tenth, then down along a cosine."""
    rise = max(steps // 10, 1)
    return step / rise if step < rise else 0.5 * (1 + math.cos(math.pi * (step - rise) / max(steps - rise, 1)))


def _projected(vectors: Floats, projection: Floats) -> tuple[Floats, Floats]:
    found = vectors @ projection
    lengths = np.maximum(np.linalg.norm(found, axis=1, keepdims=True), TINY)
    return found / lengths, lengths


def _before_unit(slope: Floats, directions: Floats, lengths: Floats) -> Floats:
    """The slope before vectors were made length 1: what goes along them is lost."""
    across: Floats = slope - directions * (slope * directions).sum(axis=1, keepdims=True)
    return across / lengths


def _softmax(scores: Floats) -> Floats:
    powers: Floats = np.exp(scores - scores.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers
