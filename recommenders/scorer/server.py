"""Serve one kind of model over HTTP, for Winnow's strategy ``remote``: docs/strategies/isolation.md is the contract.

This file needs nothing but Python 3.9 and numpy, and no other file of Winnow, so that it can be copied into, or run by
its path from, an environment in which Winnow is not installed:

    other/bin/python recommenders/scorer/server.py my_module:Model --port 8901
"""

from __future__ import annotations

import argparse
import hmac
import json
import os
import sys
import time
import zipfile
from collections import OrderedDict
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Callable, Mapping, Optional, Protocol  # noqa: UP035  (these work in Python 3.9 too)

import numpy as np
import numpy.typing as npt

PROTOCOL = 1
CONTENT = "application/x-npz"
REQUEST, STATE = "request", "state/"
MOST = 2_000_000_000  # bytes of a body, packed and unpacked
KEPT = 8  # models
QUIET = 60.0  # seconds without a byte after which a client is given up
TOKEN = "SCORER_TOKEN"  # noqa: S105  (a variable's name)

Arrays = Mapping[str, npt.NDArray[np.generic]]
Progress = Callable[[float, str], None]


class Model(Protocol):
    """What a model is. ``config`` is the strategy's ``settings``; items and users are numbers from 0."""

    def __init__(self, config: Mapping[str, object], items: int) -> None: ...

    def fit(self, data: Arrays, *, users: int, seed: int, budget: Mapping[str, float], progress: Progress) -> None:
        """Learn. ``data`` has users, items, times, kinds, values. ValueError says what is wrong with it."""

    def score(self, batch: Arrays) -> npt.NDArray[np.float32]:
        """Shape (B, items), higher is better, -inf for what is unknown. Not called by two threads at once."""

    def state(self) -> Arrays:
        """All that was learnt."""

    def restore(self, state: Arrays) -> None:
        """Take up what was learnt."""


class Refused(Exception):
    """A request that gets no answer but a status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def pack(arrays: Arrays, request: Optional[Mapping[str, object]] = None) -> bytes:  # noqa: UP045
    """A body: arrays by name as .npz, neither compressed nor pickled, and what else is asked as JSON among them."""
    target = BytesIO()
    text = {} if request is None else {REQUEST: np.array(json.dumps(request, sort_keys=True))}
    plain = {name: np.asarray(array) for name, array in {**arrays, **text}.items()}
    for name, array in plain.items():
        if array.dtype.hasobject:
            raise ValueError(f"{name} holds Python objects; only numbers and texts of fixed width travel")
    np.savez(target, **plain)  # type: ignore[arg-type]
    return target.getvalue()


def unpack(body: bytes, most: int = MOST) -> tuple[dict[str, npt.NDArray[np.generic]], dict[str, object]]:
    """The arrays and the rest of a body. Raises ValueError: it is none, or holds objects, or unpacks to too much."""
    try:
        with zipfile.ZipFile(BytesIO(body)) as packed:
            if sum(part.file_size for part in packed.infolist()) > most:
                raise ValueError(f"the arrays take more than {most:,} bytes")
        with np.load(BytesIO(body), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        request = json.loads(str(arrays.pop(REQUEST, "{}")))
    except (OSError, EOFError, KeyError, MemoryError, RuntimeError, zipfile.BadZipFile) as error:
        raise ValueError(f"no arrays can be read: {type(error).__name__}") from None
    if not isinstance(request, dict):
        raise ValueError("the request is no JSON object")
    return arrays, request


def usable(scores: object, rows: int, items: int) -> npt.NDArray[np.float32]:
    """Scores as they must be. Raises ValueError: another shape, nan or inf."""
    found = np.asarray(scores, dtype=np.float32)
    if found.shape != (rows, items):
        raise ValueError(f"scores of shape {found.shape}, must be ({rows}, {items})")
    if np.isnan(found).any() or np.isposinf(found).any():
        raise ValueError("scores that are nan or inf")
    return found


class Scorer:
    """The models of one class that are loaded, by the SHA-256 of what they were sent as."""

    def __init__(self, place: str, kind: Callable[[Mapping[str, object], int], Model]) -> None:
        self.place, self.kind = place, kind
        self.models: OrderedDict[str, tuple[Model, int, Lock]] = OrderedDict()
        self.training, self.lock = Lock(), Lock()

    def fit(self, body: bytes, tell: Callable[[dict[str, object]], None]) -> bytes:
        """Train and give the state. ``tell`` gets what is done so far; where it raises, training ends."""
        data, request = self._opened(body)
        budget = number_map(request["budget"])
        ends = time.monotonic() + budget["seconds"]

        def progress(share: float, step: str) -> None:
            if time.monotonic() > ends:
                raise ValueError(f"training took longer than the budget of {budget['seconds']:g} s")
            tell({"share": float(share), "step": str(step)})

        model = self.kind(settings_of(request), int(str(request["items"])))
        users, seed = int(str(request["users"])), int(str(request["seed"]))
        model.fit(data, users=users, seed=seed, budget=budget, progress=progress)
        return pack({f"{STATE}{name}": array for name, array in model.state().items()})

    def keep(self, name: str, body: bytes) -> None:
        """Load a model under its name, and forget the one that was not asked for longest."""
        if sha256(body).hexdigest() != name:
            raise Refused(422, "the body is not what its name says: another SHA-256")
        arrays, request = self._opened(body)
        items = int(str(request["items"]))
        model = self.kind(settings_of(request), items)
        model.restore({key[len(STATE) :]: array for key, array in arrays.items() if key.startswith(STATE)})
        with self.lock:
            self.models[name] = (model, items, Lock())
            while len(self.models) > KEPT:
                self.models.popitem(last=False)

    def score(self, name: str, body: bytes) -> bytes:
        """The scores of a batch by a model that is loaded."""
        batch, _ = unpack(body)
        with self.lock:
            if name not in self.models:
                raise Refused(404, "this model is not loaded")
            self.models.move_to_end(name)
            model, items, turn = self.models[name]
        candidates = batch.pop("candidates", None)
        with turn:
            scores = usable(model.score(batch), len(batch["users"]), items)
        return pack({"scores": scores if candidates is None else scores[:, candidates.astype(np.int64)]})

    def _opened(self, body: bytes) -> tuple[dict[str, npt.NDArray[np.generic]], dict[str, object]]:
        arrays, request = unpack(body)
        if request.get("protocol") != PROTOCOL:
            raise Refused(409, f"protocol {request.get('protocol')}, this server speaks {PROTOCOL}")
        if request.get("model") not in ("", self.place):
            raise Refused(409, f"the model {request.get('model')}, this server has {self.place}")
        return arrays, request


def settings_of(request: Mapping[str, object]) -> dict[str, object]:
    """The model's configuration."""
    found = request.get("settings", {})
    if not isinstance(found, dict):
        raise ValueError("settings are no JSON object")
    return found


def number_map(found: object) -> dict[str, float]:
    """Numbers by name."""
    if not isinstance(found, dict):
        raise ValueError("the budget is no JSON object")
    return {str(name): float(value) for name, value in found.items()}


class Handler(BaseHTTPRequestHandler):
    """One request on one connection."""

    server: Server
    timeout = QUIET

    def do_GET(self) -> None:
        """``/health``."""
        self._run(self._health)

    def do_PUT(self) -> None:
        """``/models/<SHA-256>``."""
        self._run(self._keep)

    def do_POST(self) -> None:
        """``/fit`` and ``/score/<SHA-256>``."""
        self._run(self._fit if self.path == "/fit" else self._score)

    def _run(self, work: Callable[[], None]) -> None:
        """Check the token; what goes wrong becomes a status and a sentence."""
        try:
            given = self.headers.get("Authorization", "")
            if self.server.token and not hmac.compare_digest(given.encode(), f"Bearer {self.server.token}".encode()):
                raise Refused(401, f"the header Authorization must be Bearer and what {TOKEN} holds")
            work()
        except Refused as error:
            self._say(error.status, str(error))
        except OSError:
            self.close_connection = True  # nobody listens
        except (ValueError, LookupError, TypeError) as error:
            self._say(422, f"{type(error).__name__}: {error}")
        except Exception as error:
            self._say(500, f"the model raised {type(error).__name__}: {error}")

    def _health(self) -> None:
        if self.path != "/health":
            raise Refused(404, "there is only /health")
        scorer = self.server.scorer
        status = {"protocol": PROTOCOL, "model": scorer.place, "models": len(scorer.models), "numpy": np.__version__}
        self._send(200, "application/json", json.dumps({**status, "training": scorer.training.locked()}).encode())

    def _keep(self) -> None:
        self.server.scorer.keep(self._name("/models/"), self._body())
        self._send(204, CONTENT, b"")

    def _score(self) -> None:
        self._send(200, CONTENT, self.server.scorer.score(self._name("/score/"), self._body()))

    def _fit(self) -> None:
        """Lines of JSON while it trains, the last with the size and SHA-256 of the state, which follows."""
        body = self._body()
        if not self.server.scorer.training.acquire(blocking=False):
            raise Refused(503, "another training is running")
        try:
            self._head(200, "application/octet-stream")
            state = self.server.scorer.fit(body, self._tell)
            self._tell({"state": len(state), "sha256": sha256(state).hexdigest()})
            self.wfile.write(state)
        except OSError:
            raise
        except Exception as error:  # the status is out, so the last line says it
            self._tell({"error": str(error) if isinstance(error, (Refused, ValueError)) else repr(error)})
        finally:
            self.server.scorer.training.release()

    def _tell(self, line: Mapping[str, object]) -> None:
        self.wfile.write(json.dumps(line).encode() + b"\n")

    def _name(self, prefix: str) -> str:
        name = self.path[len(prefix) :]
        if not self.path.startswith(prefix) or len(name) != 64 or set(name) - set("0123456789abcdef"):
            raise Refused(404, "there are /fit, /models/<SHA-256> and /score/<SHA-256>")
        return name

    def _body(self) -> bytes:
        """A browser cannot send this type to another site without asking first, and is never told yes."""
        if self.headers.get("Content-Type") != CONTENT:
            raise Refused(415, f"the body must be {CONTENT}")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise Refused(411, "the header Content-Length is missing")
        if int(length) > self.server.most:
            raise Refused(413, f"{int(length):,} bytes, at most {self.server.most:,}")
        body = self.rfile.read(int(length))
        if len(body) != int(length):
            raise Refused(400, "the body ended too soon")
        return body

    def _say(self, status: int, message: str) -> None:
        try:
            self._send(status, "application/json", json.dumps({"error": message[:1_000]}).encode())
        except OSError:
            self.close_connection = True

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self._head(status, kind, len(content))
        self.wfile.write(content)

    def _head(self, status: int, kind: str, length: Optional[int] = None) -> None:  # noqa: UP045
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()


class Server(ThreadingHTTPServer):
    """Threads for connections; one training at a time, and one score at a time of each model."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], scorer: Scorer, *, token: str = "", most: int = MOST) -> None:
        super().__init__(address, Handler)
        self.scorer, self.token, self.most = scorer, token, most


def main() -> None:
    """Serve until the process is ended. The first line of output says where."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="module:Class", help="of the current folder or the environment")
    parser.add_argument("--host", default="127.0.0.1", help=f"another one needs {TOKEN} in the environment")
    parser.add_argument("--port", type=int, default=8901, help="0 takes a free one")
    parser.add_argument("--most", type=int, default=MOST, help="bytes of a body")
    given = parser.parse_args()
    token = os.environ.get(TOKEN, "")
    if given.host not in ("127.0.0.1", "localhost", "::1") and not token:
        parser.error(f"--host {given.host}: set {TOKEN}, or others could send models")
    sys.path.insert(0, str(Path.cwd()))
    module, _, name = given.model.partition(":")
    scorer = Scorer(given.model, getattr(import_module(module), name))
    with Server((given.host, given.port), scorer, token=token, most=given.most) as server:
        print(f"{given.model} at http://{given.host}:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
