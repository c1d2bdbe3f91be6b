"""Teaching a text encoder what people take together: a linear projection, trained by contrast, in numpy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recommenders.contracts import Budget, Codes, Floats, Interactions, Progress
from recommenders.strategies.sequence_items import unit

Pairs = npt.NDArray[np.int32]  # shape (n, 2): an item and what the same user took next
FIRST, SECOND, TINY = 0.9, 0.999, 1e-8  # AdamW's usual constants
HELD_OUT = 0.1  # of the items, to choose how long to train by items that the training does not see
ENOUGH = 30  # pairs with a held-out item; with fewer they say too little
JUDGED = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How to train. ``strength``: how strongly the projection is drawn back to leaving vectors as they are."""

    passes: int
    batch: int
    rate: float
    temperature: float
    strength: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tuned:
    """The projection, shape (width, width), and how it came about.

    ``ranks``: mean reciprocal rank of what came next among the held-out items, before training and at the best pass;
    nan where too few pairs could be held out.
    """

    projection: Floats
    passes: int
    pairs: int
    ranks: tuple[float, float]


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
    to the identity. The pass kept is the one that ranks held-out items best, none at all included.

    Args:
        vectors: of the items, length 1 or 0, shape (items, width).
        pairs: see :func:`consecutive`.

    Source: A. van den Oord et al. (2018), Representation learning with contrastive predictive coding, equation 4;
    I. Loshchilov, F. Hutter (2019), Decoupled weight decay regularization, algorithm 2.
    """
    started = time.monotonic()
    projection = np.eye(vectors.shape[1], dtype=np.float32)
    held = rng.random(len(vectors)) < HELD_OUT
    outside = held[pairs].any(axis=1)
    judged, learnt = pairs[held[pairs[:, 1]]][:JUDGED], pairs[~outside]
    if len(judged) < ENOUGH or not len(learnt):
        held, judged, learnt = np.zeros_like(held), judged[:0], pairs
    first = best = reciprocal_rank(vectors, projection, judged, held)
    kept, kept_pass = projection, 0
    moments = (np.zeros_like(projection), np.zeros_like(projection))
    step = 0
    for turn in range(1, tuning.passes + 1):
        for batch in _batches(learnt, tuning.batch, rng):
            step += 1
            rate = tuning.rate * _warm(step, tuning.passes * -(-len(learnt) // tuning.batch))
            _, slope = loss_and_slope(vectors, projection, batch, tuning.temperature)
            projection, moments = adamw(projection, slope, moments, step, rate, tuning.strength)
        rank = reciprocal_rank(vectors, projection, judged, held)
        if not len(judged) or rank > best:
            kept, kept_pass, best = projection, turn, rank
        progress(turn / tuning.passes, "learning from what was taken together")
        if time.monotonic() - started > budget.seconds:
            break
    return Tuned(projection=kept, passes=kept_pass, pairs=len(learnt), ranks=(first, best))


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


def reciprocal_rank(vectors: Floats, projection: Floats, pairs: Pairs, among: npt.NDArray[np.bool_]) -> float:
    """Mean of 1 / rank of the second item of each pair among these items, by likeness to the first; nan of none."""
    if not len(pairs):
        return float("nan")
    items = np.flatnonzero(among)
    there = unit(vectors[items] @ projection)
    here = unit(vectors[pairs[:, 0]] @ projection)
    scores = here @ there.T
    scores[pairs[:, :1] == items] = -np.inf  # the item itself is no answer
    own = scores[np.arange(len(pairs)), np.searchsorted(items, pairs[:, 1])]
    return float((1 / (scores >= own[:, None]).sum(axis=1)).mean())


def _batches(pairs: Pairs, size: int, rng: np.random.Generator) -> Iterator[Codes]:
    order = rng.permutation(len(pairs))
    for begin in range(0, len(pairs), size):
        if len(some := order[begin : begin + size]) > 1:  # of one pair there is nothing to learn
            yield pairs[some]


def _warm(step: int, steps: int) -> float:
    """Share of the learning rate: up over the first tenth, then down along a cosine."""
    rise = max(steps // 10, 1)
    return step / rise if step < rise else 0.5 * (1 + np.cos(np.pi * min((step - rise) / max(steps - rise, 1), 1)))


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
    return powers / powers.sum(axis=1, keepdims=True)
