"""From an order of items to a list with exploration, and the exact chance of each item to be where it is. Pure.

At each place, from the top: with the arm's chance ε an item is drawn uniformly from the m items that may be shown and
are not above, otherwise the best one left is taken. So an item that is not the best one left is here with chance
ε / m, and the best one left with 1 − ε + ε / m, given the places above it and the order.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recommenders.contracts import Codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One place: the item's code, the chance that it is here, and whether it was drawn."""

    code: int
    propensity: float
    drawn: bool


def fill(order: Sequence[int], pool: Codes, *, k: int, exploration: float, ranking_id: str) -> tuple[Place, ...]:
    """A list of min(k, pool) places. The ranking id is the seed: the same order and pool give the same list.

    Args:
        order: codes, best first, each once and of the pool; as many as the list will have at least.
        pool: the codes that may be shown, ascending, shape (m,).
        k: most places.
        exploration: the chance ε of each place to be drawn, 0 to 1.
        ranking_id: of this list.

    >>> fill([2, 0, 1], np.array([0, 1, 2]), k=2, exploration=0, ranking_id="r1")[1]
    Place(code=0, propensity=1.0, drawn=False)
    """
    if not exploration:
        return tuple(Place(code=code, propensity=1.0, drawn=False) for code in order[: min(k, len(pool))])
    rng = random.Random(ranking_id)  # noqa: S311  (random.Random.random() stays the same over Python's versions)
    places: list[Place] = []
    for position in range(min(k, len(pool))):
        above = {place.code for place in places}
        best = next(code for code in order if code not in above)
        left = len(pool) - position
        drawn = rng.random() < exploration
        code = _draw(pool, above, rng.random()) if drawn else best
        chance = exploration / left + (1 - exploration if code == best else 0)
        places.append(Place(code=code, propensity=min(chance, 1.0), drawn=drawn))
    return tuple(places)


def _draw(pool: Codes, above: set[int], number: float) -> int:
    left = pool[~np.isin(pool, list(above))] if above else pool
    return int(left[int(number * len(left))])
