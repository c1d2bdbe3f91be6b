"""Strategies trained and judged on the same users, always beside the same references."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recommenders.artefacts import fingerprint
from recommenders.base import Strategy, config_from, config_to
from recommenders.contracts import BUDGET, Budget, Interactions, Progress, silent
from recommenders.errors import InvalidData, RecommendersError
from recommenders.offline.intervals import paired, t_interval
from recommenders.offline.list_metrics import Catalogue, coverage, gini
from recommenders.offline.rating_metrics import rating_error
from recommenders.offline.report import Difference, Evaluated, Figure, OfflineReport
from recommenders.offline.runs import Run, run
from recommenders.offline.slices import Slice, places, slices_of
from recommenders.offline.splits import Split, leave_last_out, named_split
from recommenders.registry import strategy_class

log = logging.getLogger(__name__)

Values = npt.NDArray[np.float64]
Vectors = Mapping[tuple[str, str], Values]
Asked = str | Strategy[Any]

WITHOUT_END = ("novelty", "rmse", "mae")  # all other metrics are shares, from 0 to 1
REFERENCES = ("recent-popularity", "user-frequency", "item-knn")


def evaluate(
    keys: Sequence[Asked],
    data: Interactions,
    *,
    split: str | Callable[[Interactions], Split] = leave_last_out,
    k: int = 10,
    new_only: bool = False,
    seed: int = 0,
    budget: Budget = BUDGET,
    progress: Progress = silent,
) -> OfflineReport:
    """Split the data, train every strategy and the references on the training part, and compare them.

    Args:
        keys: keys of strategies, or strategies that are not trained yet.
        data: what users did.
        split: a function that splits, or its name as :func:`named_split` reads it.
        k: length of the lists; may be more than there are items.
        new_only: items that are in a user's history are neither recommended to that user nor to be found.
        seed: of every training.
        budget: of each training.
        progress: told what is being done.

    Raises:
        InvalidData: k is below 1, the split is none, or nobody can be evaluated.
        UnknownStrategy: a key is not registered.
        MissingExtra: a strategy that was asked for needs packages that are not installed.
    """
    chosen = named_split(split) if isinstance(split, str) else split
    return compare(keys, data, chosen(data), k=k, new_only=new_only, seed=seed, budget=budget, progress=progress)


def compare(
    strategies: Sequence[Asked],
    data: Interactions,
    split: Split,
    *,
    k: int = 10,
    new_only: bool = False,
    seed: int = 0,
    budget: Budget = BUDGET,
    progress: Progress = silent,
    references: tuple[str, ...] = REFERENCES,
) -> OfflineReport:
    """Train and compare by a split that is made already; ``data`` is what it was made of.

    A strategy that raises has no figures and its reason in the report; the others go on. Raises as :func:`evaluate`.
    """
    if k < 1:
        raise InvalidData("k", f"{k} must be at least 1")
    slices = slices_of(split, k=k, new_only=new_only)
    if not slices[0].users.any():
        raise InvalidData("split", "no user has anything to find that is new to the user")
    labelled, judges, missing = _labelled(strategies, references, repeats=not new_only)
    judge = _Judge(split=split, slices=slices, k=k, seed=seed, budget=budget, catalogue=Catalogue(split.train))
    results: list[Evaluated] = []
    vectors: dict[str, Vectors] = {}
    for place, (label, strategy) in enumerate(labelled.items()):
        result, vectors[label] = judge.judge(label, strategy, _part(progress, place, len(labelled)))
        results.append(result)
    compared = tuple(label for label in judges if vectors[label])
    evaluated = int(slices[0].users.sum())
    short = k > len(data.catalogue)
    return OfflineReport(
        data=fingerprint(data),
        protocol=split.protocol,
        k=k,
        new_only=new_only,
        seed=seed,
        items=len(data.catalogue),
        train_events=len(split.train),
        test_events=len(split.test),
        evaluated=evaluated,
        skipped=split.skipped + split.users.size - evaluated,
        references=compared,
        strategies=tuple(results),
        differences=tuple(_differences(vectors, compared)),
        notes=(
            *missing,
            *([f"k = {k} is more than the {len(data.catalogue)} items: lists are shorter"] if short else []),
        ),
    )


@dataclass(kw_only=True, eq=False)
class _Judge:
    """Trains a strategy and turns what it ranks into figures."""

    split: Split
    slices: tuple[Slice, ...]
    k: int
    seed: int
    budget: Budget
    catalogue: Catalogue

    def judge(self, label: str, strategy: Strategy[Any], progress: Progress) -> tuple[Evaluated, Vectors]:
        """What is reported, and the values of each (metric, slice) by user."""
        config = config_to(strategy.config)
        rated = self.split.train.rated and strategy.predicts_ratings
        try:
            started = time.monotonic()
            strategy.fit(
                self.split.train,
                seed=self.seed,
                budget=self.budget,
                progress=lambda share, step: progress(share / 2, f"{label}: {step}"),
            )
            fitted = time.monotonic() - started
            found = run(
                strategy,
                self.split,
                self.slices,
                k=self.k,
                predict=rated,
                progress=lambda share: progress((1 + share) / 2, f"{label}: ranking"),
            )
        except RecommendersError as error:
            return Evaluated(label=label, key=strategy.key, config=config, failure=str(error)), {}
        except Exception as error:  # somebody else's code: it must not cost the others their figures
            log.exception("%s could not be evaluated", label)
            failure = f"{type(error).__name__}: {error}"
            return Evaluated(label=label, key=strategy.key, config=config, failure=failure), {}
        vectors = self._vectors(found, rated)
        lists = found.lists[self.slices[0].users]
        result = Evaluated(
            label=label,
            key=strategy.key,
            config=config,
            fit_seconds=fitted,
            score_seconds=found.seconds,
            not_numbers=found.not_numbers,
            short_lists=int((lists[:, : len(self.split.train.catalogue)] < 0).any(axis=1).sum()),
            figures=tuple(_figure(metric, part, values) for (metric, part), values in vectors.items()),
        )
        return result, vectors

    def _vectors(self, found: Run, rated: bool) -> Vectors:
        """Values of all users that are evaluated in any slice, nan where a user is in none of a metric."""
        size, whole = len(self.split.train.catalogue), self.slices[0]
        vectors = dict(found.accuracy)
        lists = found.lists[whole.users]
        described = {**self.catalogue.describe(lists), "coverage": coverage(lists, size), "gini": gini(lists, size)}
        for metric, values in described.items():
            vectors[metric, whole.name] = np.full(whole.users.size, np.nan)
            vectors[metric, whole.name][whole.users] = values
        if rated:
            given = self.split.test.values.astype(np.float64)
            whose = places(self.split)[self.split.test.users]
            for metric, values in rating_error(found.predicted, given, whose, self.split.users.size).items():
                vectors[metric, whole.name] = values
        return vectors


def _labelled(
    strategies: Sequence[Asked], references: tuple[str, ...], *, repeats: bool
) -> tuple[dict[str, Strategy[Any]], tuple[str, ...], tuple[str, ...]]:
    """Label → strategy, what was asked for first; the labels of the references; a sentence on each that is missing.

    A candidate of the same class is the reference only if it is configured as the reference is: nobody looks better by
    comparison with a worse configuration of it.
    """
    labelled: dict[str, Strategy[Any]] = {}
    for asked in strategies:
        strategy = strategy_class(asked)() if isinstance(asked, str) else asked
        same = sum(other.key == strategy.key for other in labelled.values())
        labelled[f"{strategy.key} ({same + 1})" if same else strategy.key] = strategy
    found, missing = [], []
    for key in references:
        try:
            reference = _reference(key, repeats=repeats)
        except RecommendersError as error:
            missing.append(f"the reference {key} is left out: {error}")
            continue
        alike = [label for label, one in labelled.items() if one.key == key and one.config == reference.config]
        label = alike[0] if alike else f"{key} (reference)" if key in labelled else key
        labelled.setdefault(label, reference)
        found.append(label)
    return labelled, tuple(found), tuple(missing)


def _reference(key: str, *, repeats: bool) -> Strategy[Any]:
    """As configured by default, except that item-kNN recommends what a user took before where that is asked for."""
    kind = strategy_class(key)
    return kind(config_from(kind.Config, {"repeats": repeats})) if key == "item-knn" else kind()


def _figure(metric: str, part: str, values: Values) -> Figure:
    """The mean of a metric. Its interval ends where the metric does, which leaves its coverage as it is."""
    interval = t_interval(values)
    most = math.inf if metric in WITHOUT_END else 1.0
    return Figure(
        metric=metric,
        slice=part,
        n=interval.n,
        value=interval.mean,
        ci_low=max(interval.ci_low, 0.0),  # nan stays nan: nothing is above or below it
        ci_high=min(interval.ci_high, most),
    )


def _differences(vectors: Mapping[str, Vectors], references: tuple[str, ...]) -> list[Difference]:
    """Every strategy against every reference, in every metric and slice that both have."""
    found = []
    for label, mine in vectors.items():
        for reference in references:
            if reference == label:
                continue
            for (metric, part), values in mine.items():
                theirs = vectors[reference].get((metric, part))
                if theirs is None:
                    continue
                interval = paired(values, theirs)
                found.append(
                    Difference(
                        strategy=label,
                        reference=reference,
                        metric=metric,
                        slice=part,
                        n=interval.n,
                        effect=interval.mean,
                        ci_low=interval.ci_low,
                        ci_high=interval.ci_high,
                        p_value=interval.p_value,
                    )
                )
    return found


def _part(progress: Progress, place: int, of: int) -> Progress:
    return lambda share, step: progress((place + min(max(share, 0.0), 1.0)) / of, step)
