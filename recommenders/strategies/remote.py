"""A model with libraries of its own, which runs in another process and environment behind a small HTTP contract."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from http.client import HTTPResponse
from typing import Self, cast

import numpy as np
import numpy.typing as npt

from recommenders.artefacts import items_to
from recommenders.base import Arrays, Strategy, report_of
from recommenders.contracts import BUDGET, Batch, Budget, FitReport, Floats, Interactions, Items, Progress, silent
from recommenders.errors import InvalidConfig, Unfit
from recommenders.scorer.server import CONTENT, MOST, PROTOCOL, STATE, pack, unpack, usable
from recommenders.strategies.endpoint import Breaker, Reply, Unanswered, address_of, ask, key_of, opened

VARIABLE = re.compile(r"WINNOW_SCORER_TOKEN[A-Z0-9_]*")  # what other variables hold may not be sent anywhere
FEATURES = {"item_text": "texts", "item_category": "categories", "item_price": "prices", "item_image": "images"}
MARGIN = 30.0  # seconds that training may take beyond its budget, for sending and for a step that is under way
LINE = 10_000  # bytes of a line of progress


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteConfig:
    """Where the model's server is and what the model is told.

    Attributes:
        url: of the server; others than this machine need WINNOW_ENDPOINTS
        model: module:Class that the server must have; empty takes what is there
        settings: the model's own configuration
        features: of the items that the model learns from: item_text, item_category, item_price, item_image
        seconds: of time for the scores of one request
        failures: after so many requests in a row without an answer the server is left alone for a while
        pause: how many seconds it is left alone
        token_variable: name of the environment variable with the server's token, WINNOW_SCORER_TOKEN…; or empty
    """

    url: str = "http://127.0.0.1:8901"
    model: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    features: tuple[str, ...] = ()
    seconds: float = 10.0
    failures: int = 5
    pause: float = 10.0
    token_variable: str = ""

    def __post_init__(self) -> None:
        address_of(self.url)
        if self.token_variable and not VARIABLE.fullmatch(self.token_variable):
            raise InvalidConfig(
                "token_variable", f"{self.token_variable!r} must be WINNOW_SCORER_TOKEN or begin with it"
            )
        for name in self.features:
            if name not in FEATURES:
                raise InvalidConfig("features", f"{name} is none of {', '.join(FEATURES)}")
        if not 1 <= self.failures <= 1_000:
            raise InvalidConfig("failures", f"{self.failures} must be 1 to 1000")
        for limit, longest in (("seconds", 600), ("pause", 86_400)):
            if not 0 < getattr(self, limit) <= longest:
                raise InvalidConfig(limit, f"{getattr(self, limit):g} must be above 0 and at most {longest}")


class Remote(Strategy[RemoteConfig]):
    """What the server's model learnt is kept here, as arrays that only the model understands.

    It is sent to the server when the server does not have it: after a restart nothing is lost, and a version stays what
    it was.
    """

    key, name, family = "remote", "Model of another environment", "collaborative"
    description = "A model whose libraries conflict with ours, in a process and environment of its own."
    Config = RemoteConfig
    requires = frozenset({"history"})

    def __init__(self, config: RemoteConfig | None = None) -> None:
        super().__init__(config)
        self.address = address_of(self.config.url)
        self.breaker = Breaker(self.config.failures, self.config.pause)

    def fit(
        self, data: Interactions, *, seed: int = 0, budget: Budget = BUDGET, progress: Progress = silent
    ) -> FitReport:
        started = time.monotonic()
        request = {"users": len(data.user_ids), "seed": seed, "budget": asdict(budget)}
        try:
            served = self._health()
            body = self._packed(self._columns(data), len(data.catalogue), **request)
            with self._sent("POST", "/fit", body, budget.seconds + MARGIN) as response:
                state, _ = unpack(_state_of(response, progress))
        except (Unanswered, ValueError) as error:
            raise Unfit(f"the server of the model did not train it: {error}") from None
        self._keep(len(data.catalogue), state)
        return report_of(data, started, model=str(served["model"]))

    def score(self, batch: Batch) -> Floats:
        """The model's scores.

        Raises:
            Unanswered: the server is not there, is too slow, or its answer is no scores.
        """
        width = self.items if batch.candidates is None else batch.candidates.size
        if not len(batch):
            return np.zeros((0, width), dtype=np.float32)
        if not self.breaker.admits():
            raise Unanswered("paused", f"{self.address} is left alone after {self.config.failures} failures")
        try:
            scores = self._score(pack(_columns_of(batch)), len(batch), width)
        except Unanswered:
            self.breaker.failed()
            raise
        self.breaker.succeeded()
        return scores

    def state(self) -> Arrays:
        return {"items": np.array(self.items, dtype=np.int64), **self.learnt}

    @classmethod
    def restore(cls, config: RemoteConfig, arrays: Arrays, items: Items) -> Self:
        strategy = cls(config)
        strategy._keep(int(arrays["items"]), {name: array for name, array in arrays.items() if name != "items"})
        return strategy

    def _keep(self, items: int, learnt: Arrays) -> None:
        self.items = items
        self.learnt = {name: array for name, array in learnt.items() if name.startswith(STATE)}
        self.body = self._packed(self.learnt, items)
        self.digest = sha256(self.body).hexdigest()

    def _packed(self, arrays: Arrays, items: int, **request: object) -> bytes:
        own = {"protocol": PROTOCOL, "model": self.config.model, "settings": dict(self.config.settings), "items": items}
        return pack(arrays, own | request)

    def _columns(self, data: Interactions) -> Arrays:
        columns: dict[str, npt.NDArray[np.generic]] = {"users": data.users, "items": data.items, "times": data.times}
        known = items_to(data.catalogue)
        for name in self.config.features:
            if name not in data.catalogue.features:
                raise Unfit(f"the data has no {name}, which the configuration names")
        features = {f"item_{FEATURES[name]}": known[FEATURES[name]] for name in self.config.features}
        return {**columns, "kinds": data.kinds, "values": data.values, **features}

    def _health(self) -> Mapping[str, object]:
        """What the server is. Raises Unanswered."""
        reply = ask(self.address, "GET", "/health", b"", self._headers(), seconds=10, most=10_000)
        try:
            found = json.loads(reply.content)
            protocol, model = found["protocol"], str(found["model"])
        except (ValueError, LookupError, TypeError):
            raise Unanswered("no scorer", f"{self.address} is no scorer: status {reply.status}") from None
        if protocol != PROTOCOL or self.config.model not in ("", model):
            wanted = f"{self.config.model or 'any model'} by protocol {PROTOCOL}"
            raise Unanswered("wrong model", f"{self.address} has {model} by protocol {protocol}, not {wanted}")
        return {"model": model}

    def _score(self, body: bytes, rows: int, width: int) -> Floats:
        ends = time.monotonic() + self.config.seconds
        reply = self._asked("POST", f"/score/{self.digest}", body, ends)
        if reply.status == 404:
            loaded = self._asked("PUT", f"/models/{self.digest}", self.body, ends)
            if loaded.status != 204:
                raise Unanswered(f"status {loaded.status}", f"{self.address}: {_said(loaded)}")
            reply = self._asked("POST", f"/score/{self.digest}", body, ends)
        if reply.status != 200:
            raise Unanswered(f"status {reply.status}", f"{self.address}: {_said(reply)}")
        try:
            return usable(unpack(reply.content)[0]["scores"], rows, width)
        except (ValueError, KeyError) as error:
            raise Unanswered("no scores", f"{self.address} did not answer with scores: {error}") from None

    def _asked(self, method: str, path: str, body: bytes, ends: float) -> Reply:
        left = max(ends - time.monotonic(), 0.001)
        return ask(self.address, method, path, body, self._headers(), seconds=left, most=MOST)

    @contextmanager
    def _sent(self, method: str, path: str, body: bytes, seconds: float) -> Iterator[HTTPResponse]:
        with opened(self.address, method, path, body, self._headers(), seconds=seconds) as response:
            if response.status != 200:
                raise Unanswered(f"status {response.status}", _said(Reply(response.status, response.read(10_000))))
            yield response

    def _headers(self) -> dict[str, str]:
        token = key_of(self.config.token_variable)
        return {"Content-Type": CONTENT} | ({"Authorization": f"Bearer {token}"} if token else {})


def _columns_of(batch: Batch) -> Arrays:
    columns: dict[str, npt.NDArray[np.generic]] = {
        "users": batch.users,
        "items": batch.items,
        "times": batch.times,
        "kinds": batch.kinds,
        "values": batch.values,
        "offsets": batch.offsets,
        "now": batch.now,
    }
    return columns if batch.candidates is None else {**columns, "candidates": batch.candidates}


def _state_of(response: HTTPResponse, progress: Progress) -> bytes:
    """The state behind the lines of progress. Raises ValueError: training failed, or not all of it came."""
    while line := response.readline(LINE):
        found = cast(dict[str, object], json.loads(line))
        if "error" in found:
            raise ValueError(found["error"])
        if "state" in found:
            size = int(str(found["state"]))
            state = response.read(size) if size <= MOST else b""
            if sha256(state).hexdigest() != found.get("sha256"):
                raise ValueError("what was learnt did not arrive whole")
            return state
        progress(float(str(found["share"])), str(found["step"]))
    raise ValueError("the server ended before training did")


def _said(reply: Reply) -> str:
    """The sentence of a refusal."""
    try:
        return str(json.loads(reply.content)["error"])[:1_000]
    except (ValueError, LookupError, TypeError):
        return f"status {reply.status}"
