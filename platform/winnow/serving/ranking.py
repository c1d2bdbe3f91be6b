"""Asking a strategy: scores, the best of what may be shown, perhaps a second look. Nothing it does is trusted."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recommenders.contracts import UNKNOWN, Batch, Floats
from recommenders.ranking import Ranked, top_k
from winnow.serving.catalogues import Flags
from winnow.serving.contracts import Trouble, Unservable
from winnow.serving.counters import RERANKS
from winnow.serving.deadline import call_until
from winnow.serving.versions import Loaded

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Opinion:
    """What a strategy said in time. ``not_finite`` are the rows in which it gave scores that are no numbers."""

    ranked: Ranked | None = None
    not_finite: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))
    trouble: Trouble | None = None
    message: str = ""

    def trouble_of(self, row: int) -> tuple[Trouble | None, str]:
        """What went wrong for one row."""
        if self.trouble is None and self.ranked is not None and self.not_finite[row]:
            return Trouble.NOT_FINITE, "the strategy gave scores that are no numbers"
        return self.trouble, self.message


def rank(loaded: Loaded, batch: Batch, flags: Flags, *, k: int, deadline: float) -> Opinion:
    """The best k of each row among the items that may be shown to it, shape (rows, items); or what went wrong.

    The deadline is of time.monotonic. Where only the second look overran or failed, the first order is the answer.
    """
    opinion = Opinion()
    try:
        call_until(deadline, loaded, lambda: _ask(loaded, batch, flags, k, opinion))
    except Unservable as error:
        again = opinion.ranked is not None and error.trouble is Trouble.SLOW
        return Opinion(
            ranked=opinion.ranked,
            not_finite=opinion.not_finite,
            trouble=Trouble.RERANK_SLOW if again else error.trouble,
            message=str(error),
        )
    except Exception:
        logger.exception("%s@%s raised", loaded.key, loaded.version)
        return Opinion(trouble=Trouble.RAISED, message=f"{loaded.key} failed; the log of the web server says why")
    return opinion


def _ask(loaded: Loaded, batch: Batch, flags: Flags, k: int, opinion: Opinion) -> None:
    scores = _usable(loaded.strategy.score(batch), flags)
    # -inf is said of items that a strategy knows nothing of; anything else that is no number is a fault
    faulty = np.isnan(scores) | np.isposinf(scores)
    opinion.not_finite = np.asarray(faulty.any(axis=1))
    if opinion.not_finite.any():
        scores[faulty] = -np.inf
    shortlist = loaded.strategy.shortlist
    opinion.ranked = first = top_k(scores, max(k, shortlist))
    if shortlist:
        _ask_again(loaded, batch, first, opinion)


def _usable(scores: Floats, flags: Flags) -> Floats:
    if not isinstance(scores, np.ndarray) or scores.shape != flags.shape:
        found = getattr(scores, "shape", type(scores).__name__)
        raise Unservable(Trouble.WRONG_SHAPE, f"the strategy gave scores of shape {found}, must be {flags.shape}")
    return np.where(flags, scores, -np.inf).astype(np.float32, copy=False)


def _ask_again(loaded: Loaded, batch: Batch, first: Ranked, opinion: Opinion) -> None:
    try:
        second = loaded.strategy.rerank(batch, first)
        same = _same_items(first, second)
    except Exception:
        logger.exception("%s@%s raised when it was asked to rank again", loaded.key, loaded.version)
        same = False
    _count_outcomes(loaded)
    if same:
        opinion.ranked = second
    else:
        opinion.trouble = Trouble.RERANK_FAILED
        opinion.message = "ranking again failed; the first order is shown"


def _count_outcomes(loaded: Loaded) -> None:
    """Count what became of the lists that were ranked again, where the strategy says so."""
    outcomes = getattr(loaded.strategy, "outcomes", None)
    if isinstance(outcomes, Counter):
        with loaded.lock:
            found = Counter(outcomes)
            new, loaded.counted = found - loaded.counted, found
        for outcome, times in new.items():
            RERANKS.labels(outcome).inc(times)


def _same_items(first: Ranked, second: Ranked) -> bool:
    """Whether the same items came back, each once, with as many reasons as there are places, or none."""
    places = [len(reasons) for reasons in second.reasons]
    return (
        second.items.shape == second.scores.shape == first.items.shape
        and bool((np.sort(second.items, axis=1) == np.sort(first.items, axis=1)).all())
        and places in ([], [first.items.shape[1]] * len(first.items))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of an opinion: codes, best first, their scores and the strategy's reasons."""

    codes: Sequence[int] = ()
    scores: Sequence[float] = ()
    reasons: Sequence[str] = ()


def row_of(opinion: Opinion, number: int, *, k: int) -> Row:
    """The best k of one row; empty where the strategy said nothing."""
    ranked = opinion.ranked
    if ranked is None:
        return Row()
    codes = [code for code in ranked.items[number].tolist() if code != UNKNOWN][:k]
    reasons = ranked.reasons[number][: len(codes)] if ranked.reasons else ()
    return Row(codes=codes, scores=ranked.scores[number].tolist()[: len(codes)], reasons=reasons)
