"""What a strategy may learn from, and what it must find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import numpy.typing as npt

from recommenders.contracts import UNKNOWN, Batch, Codes, Interactions, Kind, Times
from recommenders.errors import InvalidData

DAY = 86_400
LEAVE_LAST_OUT, TEMPORAL, LAST_DAYS = "leave-last-out", "temporal", "last-days"


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """``train`` is what may be learnt from, ``history`` what users had done when asked, ``test`` what must be found.

    ``users`` have at least one event in ``test``, shape (n,), ascending; ``now`` is the moment of each one's request,
    shape (n,). ``skipped`` counts the users with events that cannot be evaluated. ``protocol`` says how it was split.
    """

    train: Interactions
    history: Interactions
    test: Interactions
    users: Codes
    now: Times
    skipped: int
    protocol: Mapping[str, str | int]

    def batch(self, begin: int, end: int) -> Batch:
        """The request of users ``begin`` to ``end``; -1 for users that have no event in ``train``."""
        asked = self.users[begin:end]
        batch = self.history.batch(asked, now=self.now[begin:end])
        known = np.diff(self.train.offsets)[asked] > 0
        return Batch(
            users=np.where(known, asked, UNKNOWN).astype(np.int32),
            items=batch.items,
            times=batch.times,
            kinds=batch.kinds,
            values=batch.values,
            offsets=batch.offsets,
            now=batch.now,
        )


def leave_last_out(data: Interactions, *, unlearnt: int = 0, kinds: tuple[Kind, ...] | None = None) -> Split:
    """The last event of each user is the test, all before it the history and the training.

    Users with fewer than two events are skipped; what they did stays in the training. The usual validation part, the
    event before the last, is ``leave_last_out(leave_last_out(data).train)``.

    Args:
        data: what users did.
        unlearnt: so many of the last events of each history are not learnt from, at least 0. 1 is how many published
            figures were made: the event kept for validation is in the history and not in the training.
        kinds: only events of these kinds are tested; what a user did after the last one of them is not used.

    Raises:
        InvalidData: nobody can be evaluated.

    >>> from recommenders.contracts import Items
    >>> data = Interactions.build(users=[0, 0, 0, 1], items=[2, 0, 1, 1], catalogue=Items(ids=("a", "b", "c")),
    ...                           user_ids=["x", "y"])
    >>> split = leave_last_out(data)
    >>> split.test.items.tolist(), split.train.items.tolist(), split.users.tolist(), split.skipped
    ([1], [2, 0, 1], [0], 1)
    """
    if unlearnt < 0:
        raise InvalidData("unlearnt", f"{unlearnt} must be at least 0")
    place = np.arange(len(data), dtype=np.int64)
    begin, end = data.offsets[:-1], data.offsets[1:]
    last = np.full(begin.size, -1, dtype=np.int64)
    tested = _of_kinds(data, kinds)
    last[data.users[tested]] = place[tested]  # the last assignment stays
    chosen = last > begin
    known = ~chosen[data.users]
    users = np.flatnonzero(chosen).astype(np.int32)
    return _split(
        data,
        train=known | (place < last[data.users] - unlearnt),
        history=known | (place < last[data.users]),
        test=last[chosen],
        users=users,
        now=data.times[last[chosen]],
        skipped=int(((end > begin) & ~chosen).sum()),
        protocol={"split": LEAVE_LAST_OUT, **({"unlearnt": unlearnt} if unlearnt else {}), **_named(kinds)},
    )


def temporal(
    data: Interactions, moment: int, *, until: int | None = None, kinds: tuple[Kind, ...] | None = None
) -> Split:
    """Training before a moment, test from then on; users with a test event are evaluated, newcomers too.

    Args:
        data: what users did.
        moment: in the unit of the data's times; every request is made then.
        until: the test ends before this moment; None: with the data.
        kinds: only events of these kinds are tested.

    Raises:
        InvalidData: there is nothing before the moment, or nothing to test after it.

    >>> from recommenders.contracts import Items
    >>> data = Interactions.build(users=[0, 0, 1], items=[0, 1, 1], times=[1, 8, 9], catalogue=Items(ids=("a", "b")),
    ...                           user_ids=["x", "y"])
    >>> split = temporal(data, 8)
    >>> len(split.train), split.users.tolist(), split.batch(0, 2).users.tolist()
    (1, [0, 1], [0, -1])
    """
    before = data.times < moment
    after = ~before & _of_kinds(data, kinds) & (True if until is None else data.times < until)
    if not before.any():
        raise InvalidData("moment", f"{moment} leaves nothing to learn from, the first event is at {_first(data)}")
    users = np.unique(data.users[after]).astype(np.int32)
    return _split(
        data,
        train=before,
        history=before,
        test=np.flatnonzero(after),
        users=users,
        now=np.full(users.size, moment, dtype=np.int64),
        skipped=int(np.unique(data.users).size - users.size),
        protocol={
            "split": TEMPORAL,
            "moment": int(moment),
            **({} if until is None else {"until": int(until)}),
            **_named(kinds),
        },
    )


def named_split(name: str) -> Callable[[Interactions], Split]:
    """The split of a text: ``leave-last-out``, a moment such as ``2017-12-04`` or in seconds, ``last-days:28``.

    ``leave-last-out:1`` leaves one more event of each user in the history and out of the training.

    Raises:
        InvalidData: the text is none of these.

    >>> named_split("leave-last-out").__name__
    'leave_last_out'
    """
    if name == LEAVE_LAST_OUT:
        return leave_last_out
    kind, _, rest = name.partition(":")
    count = int(rest) if rest.isdecimal() else 0
    if kind == LEAVE_LAST_OUT and count:
        return lambda data: leave_last_out(data, unlearnt=count)
    if kind == LAST_DAYS and count:
        return lambda data: temporal(data, int(data.times.max(initial=0)) - count * DAY)
    moment = _moment(rest if kind == TEMPORAL else name)
    if moment is None:
        raise InvalidData("split", f"{name!r} must be {LEAVE_LAST_OUT}, a day such as 2026-01-31, or {LAST_DAYS}:28")
    return lambda data: temporal(data, moment)


def _split(
    data: Interactions,
    *,
    train: npt.NDArray[np.bool_],
    history: npt.NDArray[np.bool_],
    test: npt.NDArray[np.int64],
    users: Codes,
    now: Times,
    skipped: int,
    protocol: Mapping[str, str | int],
) -> Split:
    if not users.size:
        raise InvalidData("split", f"none of {np.unique(data.users).size} users can be evaluated")
    learnt = data.take(train)
    return Split(
        train=learnt,
        history=learnt if np.array_equal(train, history) else data.take(history),
        test=data.take(test),
        users=users,
        now=now,
        skipped=skipped,
        protocol=protocol,
    )


def _of_kinds(data: Interactions, kinds: tuple[Kind, ...] | None) -> npt.NDArray[np.bool_]:
    return np.ones(len(data), dtype=bool) if kinds is None else np.isin(data.kinds, [int(kind) for kind in kinds])


def _named(kinds: tuple[Kind, ...] | None) -> dict[str, str | int]:
    return {} if kinds is None else {"kinds": ", ".join(kind.name.lower() for kind in kinds)}


def _first(data: Interactions) -> str:
    return str(int(data.times.min())) if len(data) else "no time at all"


def _moment(text: str) -> int | None:
    """Seconds since 1970 of a day or of a number of them."""
    if text.removeprefix("-").isdecimal():
        return int(text)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
