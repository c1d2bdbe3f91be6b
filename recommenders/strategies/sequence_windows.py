"""What a sequence model is trained on: histories cut into windows, the windows put into batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recommenders.contracts import Codes, Interactions

Places = npt.NDArray[np.int64]

POOL = 16  # batches that are sorted by length together, so that little is padded
MOST_HELD_OUT, FEWEST_HELD_OUT = 1_000, 50


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Windows:
    """Histories cut into pieces: where each begins among the events, its length, and whether it begins a history."""

    starts: Places
    lengths: Places
    opening: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """What a model reads (``items`` and ``kinds`` one event late) and what it must say, shape (B, L).

    A target is asked of the state in column ``known_at``: what was read before the target's moment. ``asked`` says
    where there is one.
    """

    items: Places
    kinds: Places
    targets: Places
    target_kinds: Places
    known_at: Places
    asked: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldOut:
    """Users whose last event was kept from training: all events but these, and the items of these."""

    data: Interactions
    users: Codes
    targets: Codes


def windows(data: Interactions, longest: int, rng: np.random.Generator) -> Windows:
    """Every event is in one window. Longer histories are cut at places that differ from pass to pass.

    >>> from recommenders.contracts import Items
    >>> catalogue = Items(ids=("a", "b"))
    >>> data = Interactions.build(users=[0, 0, 0, 1], items=[0, 1, 0, 1], catalogue=catalogue, user_ids=["x", "y", "z"])
    >>> cut = windows(data, 5, np.random.default_rng(0))
    >>> cut.starts.tolist(), cut.lengths.tolist(), cut.opening.tolist()
    ([0, 3], [3, 1], [True, True])
    """
    sizes = np.diff(data.offsets)
    shifts = np.where(sizes > longest, rng.integers(longest, size=sizes.size), 0)
    counts = -(-(sizes + shifts) // longest)
    users = np.repeat(np.arange(sizes.size), counts)
    nth = np.arange(users.size) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = np.maximum(nth * longest - shifts[users], 0)
    ends = np.minimum((nth + 1) * longest - shifts[users], sizes[users])
    return Windows(starts=data.offsets[users] + starts, lengths=ends - starts, opening=starts == 0)


def batches(data: Interactions, longest: int, events: int, rng: np.random.Generator) -> Iterator[Examples]:
    """One pass over the data, in batches of about so many ``events``."""
    cut, moments = windows(data, longest, rng), moment_starts(data)
    pool = max(POOL * events * cut.lengths.size // max(len(data), 1), 1)  # windows
    order = rng.permutation(cut.lengths.size)
    groups: list[Places] = []
    for first in range(0, order.size, pool):
        rows = order[first : first + pool]
        rows = rows[np.argsort(cut.lengths[rows], kind="stable")]
        number = np.cumsum(cut.lengths[rows]) // events
        groups += np.split(rows, np.flatnonzero(np.diff(number)) + 1)
    for group in rng.permutation(len(groups)).tolist():
        yield examples(data, moments, cut, groups[group])


def moment_starts(data: Interactions) -> Places:
    """For each event the first one of the same user at the same time: what is bought together tells nothing before.

    >>> from recommenders.contracts import Items
    >>> data = Interactions.build(
    ...     users=[0, 0, 0, 1], items=[0, 0, 0, 0], times=[5, 7, 7, 7], catalogue=Items(ids=("a",)), user_ids=["x", "y"]
    ... )
    >>> moment_starts(data).tolist()
    [0, 1, 1, 3]
    """
    places = np.arange(len(data))
    new = np.ones(len(data), dtype=np.bool_)
    new[1:] = (np.diff(data.users) != 0) | (np.diff(data.times) != 0)
    return np.maximum.accumulate(np.where(new, places, 0))


def examples(data: Interactions, moments: Places, cut: Windows, rows: Places) -> Examples:
    """The windows of these rows. Before the first event of a history there is its start, coded as one item more."""
    columns, starts = np.arange(int(cut.lengths[rows].max())), cut.starts[rows, None]
    at = np.minimum(starts + columns, len(data) - 1)
    before = np.maximum(at - 1, 0)
    first = cut.opening[rows, None] & (columns == 0)
    known_at = moments[at] - starts
    return Examples(
        items=np.where(first, len(data.catalogue), data.items[before]).astype(np.int64),
        kinds=data.kinds[before].astype(np.int64),
        targets=data.items[at].astype(np.int64),
        target_kinds=data.kinds[at].astype(np.int64),
        known_at=np.maximum(known_at, 0),
        # of a moment that began before the window nothing is asked: its own events would be read
        asked=(columns < cut.lengths[rows, None]) & (known_at >= 0),
    )


def hold_out(data: Interactions, share: float, rng: np.random.Generator) -> tuple[Interactions, HeldOut | None]:
    """Keep the last moment of some users from training, to tell when it is best; of none where they would be too few.

    Its last event is what is to be found.
    """
    moments = moment_starts(data)
    some = np.flatnonzero(np.diff(data.offsets) > 0)
    able = some[moments[data.offsets[some + 1] - 1] > data.offsets[some]]
    count = min(int(share * able.size), MOST_HELD_OUT)
    if count < FEWEST_HELD_OUT:
        return data, None
    users = np.sort(rng.choice(able, size=count, replace=False))
    last = data.offsets[users + 1] - 1
    kept = data.take(~np.isin(moments, moments[last]))
    return kept, HeldOut(data=kept, users=users.astype(np.int32), targets=data.items[last])
