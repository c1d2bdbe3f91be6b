"""What is known of the users of a request, in the codes of one version's catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recommenders.contracts import UNKNOWN, Batch, Kind
from winnow.catalog.histories import History
from winnow.catalog.vocabulary import ACT_KINDS
from winnow.serving.catalogues import Catalogue, Flags
from winnow.serving.contracts import Act, Person

NOTHING = History(items=(), times=(), kinds=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One list to be made: for whom, under which id, and what that user did."""

    person: Person
    ranking_id: str
    history: History


def history_of(acts: Sequence[Act], *, now: int) -> tuple[History, int]:
    """Given acts, oldest first, and how many doubled ones were left out.

    Acts without timestamps count as given in order, a second apart. Only timed acts can be doubled: the same item at
    the same second in the same way.
    """
    kinds = [int(ACT_KINDS[act.event] if act.event else Kind.PURCHASE) for act in acts]
    if not acts or acts[0].timestamp is None:
        times = [now - len(acts) + place for place in range(len(acts))]
        return History(items=tuple(act.item_id for act in acts), times=tuple(times), kinds=tuple(kinds)), 0
    timed = [(int(act.timestamp.timestamp()), act.item_id) for act in acts if act.timestamp]
    rows = dict.fromkeys((time, item, kind) for (time, item), kind in zip(timed, kinds, strict=True))
    ordered = sorted(rows, key=lambda row: row[0])
    found = History(
        items=tuple(item for _, item, _ in ordered),
        times=tuple(time for time, _, _ in ordered),
        kinds=tuple(kind for _, _, kind in ordered),
    )
    return found, len(acts) - len(ordered)


def batch_of(cases: Sequence[Case], catalogue: Catalogue, *, now: int) -> tuple[Batch, int]:
    """The question to the strategy, and how many entries of the histories it does not know."""
    codes = catalogue.items.codes
    items: list[int] = []
    times: list[int] = []
    kinds: list[int] = []
    offsets = [0]
    unknown = 0
    for case in cases:
        for item_id, time, kind in zip(case.history.items, case.history.times, case.history.kinds, strict=True):
            code = codes.get(item_id)
            if code is None:
                unknown += 1
                continue
            items.append(code)
            times.append(time)
            kinds.append(kind)
        offsets.append(len(items))
    batch = Batch(
        users=np.full(len(cases), UNKNOWN, dtype=np.int32),  # a version keeps no users: what they did is in the batch
        items=np.array(items, dtype=np.int32),
        times=np.array(times, dtype=np.int64),
        kinds=np.array(kinds, dtype=np.int8),
        values=np.ones(len(items), dtype=np.float32),
        offsets=np.array(offsets, dtype=np.int64),
        now=np.array([case.person.moment(now=now) for case in cases], dtype=np.int64),
    )
    return batch, unknown


def eligible(cases: Sequence[Case], catalogue: Catalogue, *, exclude_history: bool) -> tuple[Flags, int]:
    """What may be shown to whom, shape (cases, items), and how many candidates are unknown."""
    flags = np.tile(catalogue.available(), (len(cases), 1))
    unknown = 0
    for row, case in zip(flags, cases, strict=True):
        if case.person.candidates is not None:
            candidates = catalogue.codes(tuple(dict.fromkeys(case.person.candidates)))
            unknown += len(set(case.person.candidates)) - len(candidates)
            only = np.zeros(len(catalogue), dtype=bool)
            only[candidates] = True
            row &= only
        if case.person.exclude:
            row[catalogue.codes(case.person.exclude)] = False
        if exclude_history and case.history.items:
            row[catalogue.codes(case.history.items)] = False
    return flags, unknown


def find_histories(people: Sequence[Person], known: Mapping[str, History], *, now: int) -> tuple[list[History], int]:
    """The history of each person, given or ``known`` to the platform, and how many doubled acts were left out."""
    found: list[History] = []
    doubled = 0
    for person in people:
        if person.history is None:
            found.append(known.get(person.who, NOTHING))
        else:
            history, left_out = history_of(person.history, now=person.moment(now=now))
            found.append(history)
            doubled += left_out
    return found, doubled
