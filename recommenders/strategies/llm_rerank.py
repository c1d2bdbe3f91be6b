"""The best items of another strategy, put into a better order by a language model that also says why."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Self

import numpy as np

from recommenders.base import Arrays, Strategy, config_from, report_of
from recommenders.contracts import BUDGET, Batch, Budget, FitReport, Floats, Interactions, Items, Progress, silent
from recommenders.errors import InvalidConfig, Unfit
from recommenders.ranking import Ranked
from recommenders.registry import strategy_class
from recommenders.strategies.endpoint import ALLOWED, Breaker, address_of
from recommenders.strategies.llm_client import Client, Key
from recommenders.strategies.llm_dialogue import TEXT, Answer, Question, plain

VARIABLE = re.compile(r"WINNOW_LLM_KEY[A-Z0-9_]*")  # what other variables hold may not be sent anywhere
LANGUAGE = re.compile(r"\w[\w ()-]{0,40}")  # stands in the instruction


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmRerankConfig:
    """Whose best items, and who orders them.

    Attributes:
        base: key of the strategy that scores
        settings: configuration of the base
        url: of an OpenAI-compatible server, without /chat/completions; others than this machine need WINNOW_ENDPOINTS
        model: the name by which the server knows the model
        key_variable: name of the environment variable with the API key, WINNOW_LLM_KEY…; empty where none is needed
        candidates: how many of the base's best items the model sees
        answers: how many of them it is to name; the others follow in the base's order
        history: how many of a user's last different items it sees
        reasons: whether it is to say why
        language: of the reasons
        seconds: of time for all users of a request together
        at_once: requests to the server at the same time
        failures: after so many in a row the server is left alone for a while
        pause: how many seconds it is left alone
        cache: how many answers are kept
    """

    base: str = "item-knn"
    settings: Mapping[str, object] = field(default_factory=dict)
    url: str = "http://127.0.0.1:8080/v1"
    model: str = "default"
    key_variable: str = ""
    candidates: int = 20
    answers: int = 10
    history: int = 10
    reasons: bool = True
    language: str = "English"
    seconds: float = 2.0
    at_once: int = 4
    failures: int = 5
    pause: float = 30.0
    cache: int = 2_000

    def __post_init__(self) -> None:
        if self.base == "llm-rerank":
            raise InvalidConfig("base", "llm-rerank cannot be its own base")
        address_of(self.url)
        if self.key_variable and not VARIABLE.fullmatch(self.key_variable):
            raise InvalidConfig("key_variable", f"{self.key_variable!r} must be WINNOW_LLM_KEY or begin with it")
        if not self.model:
            raise InvalidConfig("model", "must have a name")
        if not LANGUAGE.fullmatch(self.language):
            raise InvalidConfig("language", f"{self.language!r} must be the name of a language")
        limits = (("candidates", 2, 100), ("answers", 1, 100), ("history", 1, 100), ("at_once", 1, 64))
        for name, least, most in (*limits, ("failures", 1, 1_000), ("cache", 0, 1_000_000)):
            if not least <= getattr(self, name) <= most:
                raise InvalidConfig(name, f"{getattr(self, name)} must be {least} to {most}")
        for name, longest in (("seconds", 600), ("pause", 86_400)):
            if not 0 < getattr(self, name) <= longest:
                raise InvalidConfig(name, f"{getattr(self, name):g} must be above 0 and at most {longest}")


class LlmRerank(Strategy[LlmRerankConfig]):
    """Scores are the base's; the order of its best is the model's where it answers in time and as it was asked to.

    ``outcomes`` counts what became of each user's list: ``answered``, ``cached``, or why the given order stayed.
    """

    key, name, family = "llm-rerank", "Ordered by a language model", "language"
    description = "A language model behind an OpenAI-compatible address re-orders another strategy's best and says why."
    Config = LlmRerankConfig
    requires = frozenset({"history", "item_text"})

    def __init__(self, config: LlmRerankConfig | None = None) -> None:
        super().__init__(config)
        self.outcomes: Counter[str] = Counter()
        self._counting = Lock()
        self.client = Client(
            address=address_of(self.config.url),
            model=self.config.model,
            key_variable=self.config.key_variable,
            seconds=self.config.seconds,
            at_once=self.config.at_once,
            breaker=Breaker(self.config.failures, self.config.pause),
            kept=self.config.cache,
        )

    def fit(
        self, data: Interactions, *, seed: int = 0, budget: Budget = BUDGET, progress: Progress = silent
    ) -> FitReport:
        started = time.monotonic()
        if not any(data.catalogue.texts or ()):
            raise Unfit("llm-rerank needs the items' texts, which the model reads")
        if not self.client.address.allowed:
            raise Unfit(f"url: {self.client.address} is not on this machine and not among those of {ALLOWED}")
        self.client.seed, self.texts = seed, data.catalogue.texts or ()
        kind = strategy_class(self.config.base)
        self.base: Strategy[Any] = kind(config_from(kind.Config, self.config.settings))
        report = self.base.fit(data, seed=seed, budget=budget, progress=progress)
        return report_of(data, started, **report.notes)

    def score(self, batch: Batch) -> Floats:
        return self.base.score(batch)

    @property
    def shortlist(self) -> int:
        """How many items the model sees."""
        return self.config.candidates

    def rerank(self, batch: Batch, ranked: Ranked) -> Ranked:
        keys = {row: self._key(batch.history(row).tolist(), ranked.items[row].tolist()) for row in range(len(batch))}
        questions = {key: self._question(key) for key in keys.values() if key[0] and len(key[1]) > 1}
        found = self.client.answers(questions)
        outcomes = Counter(found[key].outcome if key in found else "nothing to ask" for key in keys.values())
        with self._counting:
            self.outcomes.update(outcomes)
        answers = {row: one.answer for row, key in keys.items() if (one := found.get(key)) and one.answer}
        return reordered(ranked, answers) if answers else ranked

    def _key(self, history: list[int], items: list[int]) -> Key:
        """What a user took last, each once, oldest first; and the candidates."""
        last = list(dict.fromkeys(reversed(history)))[: self.config.history]
        candidates = [item for item in items[: self.config.candidates] if item >= 0]
        return tuple(reversed(last)), tuple(candidates)

    def _question(self, key: Key) -> Question:
        history, candidates = (tuple(plain(self.texts[item])[:TEXT] for item in items) for items in key)
        return Question(
            history=history,
            candidates=candidates,
            answers=min(self.config.answers, len(candidates)),
            reasons=self.config.reasons,
            language=self.config.language,
        )

    def state(self) -> Arrays:
        base = {f"base/{name}": array for name, array in self.base.state().items()}
        return base | {"seed": np.array(self.client.seed, dtype=np.int64)}

    @classmethod
    def restore(cls, config: LlmRerankConfig, arrays: Arrays, items: Items) -> Self:
        strategy = cls(config)
        strategy.client.seed, strategy.texts = int(arrays["seed"]), items.texts or ()
        kind = strategy_class(config.base)
        own = {name.removeprefix("base/"): array for name, array in arrays.items() if name.startswith("base/")}
        strategy.base = kind.restore(config_from(kind.Config, config.settings), own, items)
        return strategy


def reordered(ranked: Ranked, answers: Mapping[int, Answer]) -> Ranked:
    """Rows in the order of their answers; what an answer does not name follows in the order that was given.

    >>> given = Ranked(items=np.array([[7, 8, 9]], dtype=np.int32), scores=np.array([[3, 2, 1]], dtype=np.float32))
    >>> better = reordered(given, {0: Answer(order=(2,), reasons=("It fits.",))})
    >>> better.items.tolist(), better.scores.tolist(), better.reasons
    ([[9, 7, 8]], [[1.0, 3.0, 2.0]], (('It fits.', '', ''),))
    """
    count, width = ranked.items.shape
    order = np.tile(np.arange(width), (count, 1))
    reasons = [[""] * width for _ in range(count)]
    for row, answer in answers.items():
        order[row] = [*answer.order, *(place for place in range(width) if place not in answer.order)]
        reasons[row][: len(answer.reasons)] = answer.reasons
    return Ranked(
        items=np.take_along_axis(ranked.items, order, axis=1),
        scores=np.take_along_axis(ranked.scores, order, axis=1),
        reasons=tuple(map(tuple, reasons)) if any(map(any, reasons)) else (),
    )
