"""Questions to a language model: several at once, one time limit, remembered, none to a server that is down."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Lock

from recommenders.strategies.endpoint import Address, Breaker, Reply, Unanswered, ask, key_of
from recommenders.strategies.llm_dialogue import Answer, Form, Question, Unusable, read, request

MOST = 200_000  # bytes of a reply
LONGEST_PAUSE = 600.0  # seconds, whatever a server asks for
FORMS = tuple(Form)

Key = tuple[tuple[int, ...], tuple[int, ...]]  # the end of a history, candidates in their order


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """``answer``, or None; ``outcome`` says how that came, in words for a counter."""

    outcome: str
    answer: Answer | None = None


@dataclass(kw_only=True, eq=False)
class Client:
    """One model at one address. ``seconds`` are for all questions of a call, ``at_once`` requests run side by side."""

    address: Address
    model: str
    key_variable: str
    seconds: float
    at_once: int
    breaker: Breaker
    kept: int
    seed: int = 0
    _lock: Lock = field(default_factory=Lock)
    _cache: OrderedDict[Key, Answer] = field(default_factory=OrderedDict)
    _form: int = 0  # place in FORMS of what this server has understood so far
    _pool: ThreadPoolExecutor | None = None  # made when it is used: threads do not survive a fork

    def answers(self, questions: Mapping[Key, Question]) -> dict[Key, Found]:
        """What the model says to each, or why there is nothing; back after ``seconds`` at the latest."""
        ends = time.monotonic() + self.seconds
        known = {key: Found(outcome="cached", answer=answer) for key in questions if (answer := self._recall(key))}
        running = {
            self._executor().submit(self._answer, key, question, ends): key
            for key, question in questions.items()
            if key not in known
        }
        done, late = wait(running, timeout=max(ends - time.monotonic(), 0))
        for future in late:
            future.cancel()
        found = {running[future]: _result(future) for future in done}
        return known | found | {running[future]: Found(outcome="late") for future in late}

    def _answer(self, key: Key, question: Question, ends: float) -> Found:
        """Runs in a thread of the pool."""
        if time.monotonic() >= ends:
            return Found(outcome="late")
        if not self.breaker.admits():
            return Found(outcome="paused")
        try:
            reply = self._ask(question, ends)
            if reply.status != 200:
                self.breaker.failed(min(reply.retry_after, LONGEST_PAUSE))
                return Found(outcome=f"status {reply.status}")
            answer = read(reply.content, question)
        except (Unanswered, Unusable) as error:
            self.breaker.failed()
            return Found(outcome=error.outcome)
        self.breaker.succeeded()
        self._remember(key, answer)
        return Found(outcome="answered", answer=answer)

    def _ask(self, question: Question, ends: float) -> Reply:
        """The reply to the strictest form that the server takes; what it took last time is tried first."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key := key_of(self.key_variable):
            headers["Authorization"] = f"Bearer {key}"
        reply = Reply(0, b"")
        for place in range(self._form, len(FORMS)):
            body = request(question, model=self.model, seed=self.seed, form=FORMS[place])
            left = max(ends - time.monotonic(), 0.001)
            reply = ask(self.address, "POST", "/chat/completions", body, headers, seconds=left, most=MOST)
            if reply.status not in (400, 422):  # which may be about the form, or about this question alone
                self._form = place if reply.status == 200 else self._form
                break
        return reply

    def _recall(self, key: Key) -> Answer | None:
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
            return self._cache.get(key)

    def _remember(self, key: Key, answer: Answer) -> None:
        with self._lock:
            self._cache[key] = answer
            while len(self._cache) > self.kept:
                self._cache.popitem(last=False)

    def _executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.at_once, thread_name_prefix="llm")
            return self._pool


def _result(future: Future[Found]) -> Found:
    """Of a question that has ended; what nobody foresaw is an outcome too."""
    error = future.exception()
    return future.result() if error is None else Found(outcome=f"failed: {type(error).__name__}")
