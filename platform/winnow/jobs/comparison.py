"""Asking for an offline comparison of strategies, and carrying it out."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from importlib.metadata import version

from django.db import transaction

from recommenders.artefacts import Manifest
from recommenders.base import Strategy
from recommenders.contracts import Budget, Progress
from recommenders.errors import InvalidData, UnknownStrategy
from recommenders.models import OfflineEvaluation, StrategyVersion
from recommenders.offline.evaluation import REFERENCES, evaluate
from recommenders.offline.report import OfflineReport
from recommenders.offline.splits import named_split
from recommenders.services import record_evaluation
from recommenders.training import new_strategy
from winnow.catalog.interactions import Loaded, named, read
from winnow.jobs.models import Job, Kind
from winnow.jobs.runner import request
from winnow.jobs.training import check_seed, pinned

MOST_STRATEGIES, MOST_K = 20, 1_000
MOST_SECONDS = 14_400  # of all trainings; with ranking it stays below the broker's patience of six hours
PERCENT = 100
PAUSE = 0.5  # seconds between two reports of progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to compare on which data, and how.

    ``strategies`` are keys, judged in their default configuration, or ``key@version``, in that version's. ``seconds``
    are for each training.
    """

    strategies: tuple[str, ...]
    data: str
    split: str = "leave-last-out"
    k: int = 10
    new_only: bool = False
    seed: int = 0
    seconds: float = 300.0

    def __post_init__(self) -> None:
        if not 1 <= len(self.strategies) <= MOST_STRATEGIES:
            raise InvalidData("strategies", f"{len(self.strategies)} chosen, must be 1 to {MOST_STRATEGIES}")
        if len(set(self.strategies)) < len(self.strategies):
            raise InvalidData("strategies", "one is chosen twice")
        named(self.data)
        named_split(self.split)
        check_seed(self.seed)
        if not 1 <= self.k <= MOST_K:
            raise InvalidData("k", f"{self.k} must be 1 to {MOST_K}")
        most = MOST_SECONDS / (len(self.strategies) + len(REFERENCES))
        if not 0 < self.seconds <= most:
            raise InvalidData(
                "seconds", f"{self.seconds:g} must be above 0 and at most {most:.0f} for so many strategies"
            )


def request_comparison(question: Question, *, requested_by: str = "") -> Job:
    """The open job for this question, or a new one that a worker is told of once it is committed.

    Raises:
        UnknownStrategy, MissingExtra: a strategy or version is not here, or needs packages that are not installed.
    """
    for chosen in question.strategies:
        strategy_of(chosen)
    parameters = asdict(question)
    digest = sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:12]
    return request(Kind.COMPARE, f"{question.data} {digest}", parameters=parameters, requested_by=requested_by)


def question_of(job: Job) -> Question:
    """What this job was asked."""
    asked = {name: value for name, value in job.parameters.items() if name != "evaluation"}
    return Question(**(asked | {"strategies": tuple(asked["strategies"])}))


def strategy_of(chosen: str) -> Strategy[object]:
    """An untrained strategy, as it is configured by default or was in a version. Raises UnknownStrategy."""
    key, at, name = chosen.partition("@")
    return new_strategy(key, _config_of(key, name) if at else None)


def compare(job: Job) -> None:
    """Judge the strategies and keep what was found, once: an attempt that comes after finds it."""
    if "evaluation" in job.parameters:
        return
    question = question_of(job)
    job.report_progress(0, PERCENT, step="compact")
    source = pinned(named(question.data))
    job.report_progress(0, PERCENT, step="read")
    loaded = read(source)
    report = _judge(question, loaded, _shown(job))
    with transaction.atomic():
        kept = record_evaluation(
            report,
            data=loaded.name,
            keys=question.strategies,
            created_by=job.requested_by,
            code_version=version("winnow-platform"),
        )
        job.parameters |= {"evaluation": kept.pk}
        job.save(update_fields=["parameters"])


def evaluation_of(job: Job) -> OfflineEvaluation | None:
    """What a finished job found."""
    return OfflineEvaluation.objects.filter(pk=job.parameters.get("evaluation", 0)).first()


def _judge(question: Question, loaded: Loaded, progress: Progress) -> OfflineReport:
    report = evaluate(
        [strategy_of(chosen) for chosen in question.strategies],
        loaded.data,
        split=question.split,
        k=question.k,
        new_only=question.new_only,
        seed=question.seed,
        budget=Budget(seconds=question.seconds),
        progress=progress,
    )
    return replace(report, notes=(*report.notes, *loaded.remarks))


def _config_of(key: str, name: str) -> Mapping[str, object]:
    row = StrategyVersion.objects.filter(strategy__key=key, version=name).first()
    if row is None or not row.manifest:
        raise UnknownStrategy(f"{key} has no version {name!r} that was trained here")
    return Manifest(**row.manifest).config


def _shown(job: Job) -> Progress:
    """Progress as a row that people watch, written twice a second at most."""
    last = time.monotonic() - PAUSE

    def show(share: float, step: str) -> None:
        nonlocal last
        if time.monotonic() - last >= PAUSE:
            last = time.monotonic()
            job.report_progress(round(PERCENT * min(max(share, 0.0), 1.0)), PERCENT, step=step[:100])

    return show
