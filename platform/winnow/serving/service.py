"""The chain of a request: arm → version → history → scores → list → log."""

from __future__ import annotations

import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Thread

from django.conf import settings
from django.db import Error as DatabaseFailed
from django.db import connections

from experiments.selectors import running_experiments
from winnow.catalog.histories import History, histories
from winnow.serving import counters
from winnow.serving.arms import ALLOCATIONS, Placement, place
from winnow.serving.cases import Case, batch_of, eligible, find_histories
from winnow.serving.catalogues import Catalogue, Flags, platform_catalogue
from winnow.serving.contracts import Person, Request, ServedList, Trouble, Unservable
from winnow.serving.lists import Told, make_list
from winnow.serving.popularity import POPULARITY
from winnow.serving.ranking import Row, rank, row_of
from winnow.serving.record import record
from winnow.serving.versions import VERSIONS, Loaded

logger = logging.getLogger(__name__)

MOST_SCORES = 4_000_000  # users × items in memory at once
MS_PER_FURTHER_USER = 10


def recommend(request: Request) -> tuple[ServedList, ...]:
    """A list for each person, committed to the log.

    Raises:
        UnknownExperiment: the experiment does not exist.
        NotRecorded, django.db.Error: the lists could not be logged, so that nobody may see them.
    """
    with counters.SECONDS.time():
        lists = make_lists(request, now=int(time.time()))
        record(request, lists)
    counters.count_lists(lists)
    return lists


def make_lists(request: Request, *, now: int) -> tuple[ServedList, ...]:
    """The same without the log."""
    cases, unreadable = _cases(request, now=now)
    placements = [place(request, case.person, case.ranking_id) for case in cases]
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for number, placement in enumerate(placements):
        groups[placement.strategy].append(number)
    made: dict[int, ServedList] = {}
    for label, numbers in groups.items():
        group = Group(request, label, [cases[number] for number in numbers], [placements[number] for number in numbers])
        made |= zip(numbers, group.lists(now=now), strict=True)
    lists = tuple(made[number] for number in range(len(cases)))
    return tuple(map(_history_unreadable, lists)) if unreadable else lists


def _cases(request: Request, *, now: int) -> tuple[list[Case], bool]:
    """Who asks, with an id and a history each; and whether the platform's histories could not be read."""
    known, unreadable = _known_histories([person for person in request.people if person.history is None])
    found, doubled = find_histories(request.people, known, now=now)
    counters.DOUBLED_ACTS.inc(doubled)
    counters.UNKNOWN_USERS.inc(sum(not history.items for history in found))
    cases = [
        Case(person=person, ranking_id=str(uuid.uuid4()), history=history)
        for person, history in zip(request.people, found, strict=True)
    ]
    return cases, unreadable


def _known_histories(people: Sequence[Person]) -> tuple[Mapping[str, History], bool]:
    if not people:
        return {}, False
    try:
        return histories([person.who for person in people]), False
    except Exception:  # files that are half there; a strategy can do without
        logger.exception("the histories could not be read")
        return {}, True


def _history_unreadable(made: ServedList) -> ServedList:
    if made.trouble is not None or made.person.history is not None:
        return made
    return replace(made, trouble=Trouble.HISTORY_UNREADABLE, message="what this user did before could not be read")


@dataclass(frozen=True, slots=True)
class Group:
    """The cases of one request that one strategy answers."""

    request: Request
    label: str
    cases: Sequence[Case]
    placements: Sequence[Placement]

    def lists(self, *, now: int) -> Iterator[ServedList]:
        """The list of each case. The time that a strategy may take begins here, so that arms do not share it."""
        deadline = time.monotonic() + _seconds(self.request, len(self.cases))
        try:
            loaded = VERSIONS.find(self.label, deadline=deadline)
        except Unservable as error:
            told = self._told(self.label, error.trouble, str(error))
            yield from (self._without_version(number, told) for number in range(len(self.cases)))
            return
        step = max(MOST_SCORES // max(len(loaded.catalogue), 1), 1)
        for begin in range(0, len(self.cases), step):
            yield from self._ranked(loaded, range(len(self.cases))[begin : begin + step], now=now, deadline=deadline)

    def _ranked(self, loaded: Loaded, numbers: Sequence[int], *, now: int, deadline: float) -> Iterator[ServedList]:
        cases = [self.cases[number] for number in numbers]
        batch, unknown = batch_of(cases, loaded.catalogue, now=now)
        flags, also_unknown = eligible(cases, loaded.catalogue, exclude_history=self.request.exclude_history)
        counters.UNKNOWN_ITEMS.inc(unknown + also_unknown)
        opinion = rank(loaded, batch, flags, k=self.request.k, deadline=deadline)
        for row, number in enumerate(numbers):
            told = self._told(f"{loaded.key}@{loaded.version}", *opinion.trouble_of(row))
            if flags[row].any():
                yield self._list(number, row_of(opinion, row, k=self.request.k), loaded.catalogue, flags[row], told)
            else:  # the shop may have what this version does not know
                yield self._without_version(number, told)

    def _without_version(self, number: int, told: Told) -> ServedList:
        case = self.cases[number]
        catalogue = platform_catalogue(POPULARITY.get(), case.person.candidates or ())
        flags, _ = eligible([case], catalogue, exclude_history=self.request.exclude_history)
        return self._list(number, Row(), catalogue, flags[0], told)

    def _list(self, number: int, row: Row, catalogue: Catalogue, flags: Flags, told: Told) -> ServedList:
        popular = catalogue.order(POPULARITY.get())
        return make_list(
            self.cases[number], self.placements[number], row, catalogue, flags, popular, k=self.request.k, told=told
        )

    def _told(self, label: str, trouble: Trouble | None, message: str) -> Told:
        return Told(label=label, experiment=self.request.experiment, trouble=trouble, message=message)


def _seconds(request: Request, users: int) -> float:
    """How long a strategy may take for so many users."""
    given = request.budget_ms
    return (given if given is not None else settings.SERVING_BUDGET_MS + MS_PER_FURTHER_USER * (users - 1)) / 1000


def prepare() -> None:
    """Load, in the background, what will be asked for: popularity and the arms of the running experiments."""
    POPULARITY.get()
    Thread(target=_prepare_arms, name="prepare", daemon=True).start()


def _prepare_arms() -> None:
    try:
        for experiment in running_experiments():
            for arm in ALLOCATIONS.get(experiment.key).arms:
                VERSIONS.prepare(arm.strategy)
    except DatabaseFailed:  # not there yet: the first request loads what it needs
        logger.warning("the running experiments could not be read")
    finally:
        connections.close_all()  # of this thread
