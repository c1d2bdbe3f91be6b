"""Asking for the training of a strategy, and carrying it out."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import cast

from recommenders.contracts import BUDGET, Budget
from recommenders.errors import InvalidData
from recommenders.training import new_strategy
from winnow.catalog.interactions import LAKE, Source, moment_of, named
from winnow.events.warehouse import LakeWarehouse
from winnow.jobs.evaluation import compact_soon
from winnow.jobs.models import Job, Kind
from winnow.jobs.runner import request
from winnow.jobs.training_process import Order, TrainingRefused, train_apart

MOST_SECONDS = 3600.0  # of a training by a worker; with all reserves it stays below the broker's patience of six hours
LEAST_MEMORY = 100_000_000  # bytes
MOST_SEED = 2**32 - 1
LONGEST_STEP = 100  # characters of a job's step
PROMILLE = 1000


def request_training(
    key: str,
    *,
    data: str,
    until: str | None = None,
    config: Mapping[str, object] | None = None,
    seed: int = 0,
    budget: Budget = BUDGET,
    requested_by: str = "",
    current: bool = False,
) -> Job:
    """The open training of this strategy, or a new one that a worker is told of once it is committed.

    Args:
        key: of the strategy.
        data: ``lake`` or ``complete-journey``.
        until: a moment in ISO 8601; only what happened before it is seen.
        config: fields of the strategy's configuration.
        seed: of everything that is drawn.
        budget: what the training may use.
        requested_by: who asks, for people.
        current: whether the new version shall serve at once; the first one of a strategy always does.

    Raises:
        UnknownStrategy, MissingExtra: there is no such strategy, or it cannot run here.
        InvalidConfig, InvalidData: a field breaks a rule; the error names it.
        TrainingRefused: it is being trained already in another way.
    """
    new_strategy(key, config)
    named(data)
    if until is not None:
        moment_of(until)
    check_seed(seed)
    check_budget(budget)
    parameters = {
        "data": data,
        "until": until,
        "config": json.loads(json.dumps(config or {})),  # as the database will give it back: with lists
        "seed": seed,
        "budget": asdict(budget),
        "current": current,
    }
    job = request(Kind.TRAIN, key, parameters=parameters, requested_by=requested_by)
    if {name: job.parameters.get(name) for name in parameters} != parameters:
        raise TrainingRefused(f"{key} is being trained already in another way; wait until that is done")
    return job


def train(job: Job) -> None:
    """Train as the job says and register the version. What a killed attempt had learnt is not lost."""
    job.report_progress(0, PROMILLE, step="compact")
    asked = job.parameters
    source = pinned(replace(named(asked["data"]), lake_version=asked.get("lake_version"), until=asked["until"]))
    if source.lake_version != asked.get("lake_version"):  # a later attempt has to learn from the same events
        job.parameters = asked | {"lake_version": source.lake_version}
        job.save(update_fields=["parameters"])
    order = Order(
        key=job.subject,
        source=source,
        config=cast(Mapping[str, object], asked["config"]),
        seed=int(asked["seed"]),
        budget=Budget(**asked["budget"]),
    )
    trained = train_apart(
        order,
        lambda share, step: job.report_progress(round(PROMILLE * share), PROMILLE, step=step[:LONGEST_STEP]),
        created_by=job.requested_by,
        current=bool(asked["current"]),
    )
    job.parameters = job.parameters | {"version": trained.version}
    job.save(update_fields=["parameters"])


def pinned(source: Source) -> Source:
    """The source with the version of the lake that it is read at: the newest, with all that waits for it."""
    if source.name != LAKE or source.lake_version is not None:
        return source
    compact_soon()
    return replace(source, lake_version=LakeWarehouse().version)


def check_seed(seed: int) -> None:
    """Raise InvalidData where it is no seed."""
    if not 0 <= seed <= MOST_SEED:
        raise InvalidData("seed", f"{seed} must be 0 to {MOST_SEED}")


def check_budget(budget: Budget, *, most_seconds: float = MOST_SECONDS) -> None:
    """Raise InvalidData where a part of the budget makes no sense on this machine."""
    if not 0 < budget.seconds <= most_seconds:
        raise InvalidData("seconds", f"{budget.seconds:g} must be above 0 and at most {most_seconds:g}")
    if budget.memory < LEAST_MEMORY:
        raise InvalidData("memory", f"{budget.memory:,} bytes must be at least {LEAST_MEMORY:,}")
    cores = os.cpu_count() or 1
    if not 1 <= budget.threads <= cores:
        raise InvalidData("threads", f"{budget.threads} must be 1 to {cores}, the cores of this machine")
