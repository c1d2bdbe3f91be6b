"""Training in a process of its own: its memory, threads and time have an end, and it gives everything back.

The process is :mod:`winnow.jobs.trainer`. It gets an :class:`Order` on its standard input and answers with one JSON
object a line: ``progress``, ``started`` (the data is read), and last ``trained``, ``refused`` or ``failed``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import cast

from django.conf import settings

from recommenders.artefacts import Manifest, read_manifest
from recommenders.contracts import Budget, Progress
from recommenders.data.tables import EventColumns, ItemColumns
from recommenders.errors import RecommendersError
from recommenders.services import artefact_root, register_trained
from winnow.catalog.interactions import Source

LATE, GRACE = 4.0, 30.0  # a training is ended after so many times its budget, and so many seconds
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "WINNOW_ENGINE_THREADS")

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to train, from what, and what it may use."""

    key: str
    source: Source
    config: Json
    seed: int
    budget: Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A version that is stored and registered, and whether it is the current one."""

    version: str
    manifest: Manifest
    current: bool


class TrainingRefused(RecommendersError):
    """The training ended for a reason that a person can mend; another attempt would end the same way."""


class TrainingFailed(Exception):
    """The training ended for a reason that may be gone next time."""


def train_apart(order: Order, progress: Progress, *, created_by: str = "", current: bool = False) -> Trained:
    """Train in a process of its own, then register the version. Another attempt goes on where this one is killed.

    Raises:
        TrainingRefused: the order, the data or the budget does not do.
        TrainingFailed: the strategy's code raised, or the process died.
    """
    answer = _outcome(order, progress)
    name = str(answer["version"])
    manifest = read_manifest(artefact_root() / order.key / name)
    is_current = register_trained(name, manifest, created_by=created_by, current=current)
    shutil.rmtree(str(answer["checkpoint"]), ignore_errors=True)
    return Trained(version=name, manifest=manifest, current=is_current)


def order_to_json(order: Order) -> str:
    """The order as the process reads it."""
    return json.dumps(asdict(order))


def order_from_json(text: str) -> Order:
    """The order that was written by :func:`order_to_json`."""
    plain = json.loads(text)
    source = plain["source"]
    items = source["item_columns"]
    columns = ItemColumns(**items | {"texts": tuple(items["texts"])})
    return Order(
        **plain
        | {
            "source": Source(**source | {"columns": EventColumns(**source["columns"]), "item_columns": columns}),
            "budget": Budget(**plain["budget"]),
        }
    )


def _outcome(order: Order, progress: Progress) -> Json:
    """What the process said last; an error where that is not that it has trained."""
    answer: Json = {}
    limit, late = LATE * order.budget.seconds + GRACE, threading.Event()
    with _process(order) as child:
        deadline = threading.Timer(limit, _end, [child, late])
        try:
            for line in child.stdout or ():
                answer = json.loads(line)
                if "started" in answer:
                    deadline.start()
                elif "progress" in answer:
                    progress(cast(float, answer["progress"]), str(answer["step"]))
            code = child.wait()
        finally:
            deadline.cancel()
    if "trained" in answer:
        return cast(Json, answer["trained"])
    if "refused" in answer:
        raise TrainingRefused(str(answer["refused"]))
    if late.is_set():
        raise TrainingRefused(
            f"seconds: {order.key} was still training after {limit:.0f} s with a budget of"
            f" {order.budget.seconds:g} s, and was ended"
        )
    raise TrainingFailed(str(answer.get("failed") or f"the process of the training ended by {_ending(code)}"))


@contextmanager
def _process(order: Order) -> Iterator[subprocess.Popen[str]]:
    """The process, with its order. It does not go on when nobody listens any more."""
    places = {"WINNOW_HOME": str(settings.HOME), "WINNOW_LAKE": str(settings.LAKE)}
    with subprocess.Popen(  # noqa: S603  (our own command)
        [sys.executable, "-m", "winnow.jobs.trainer", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,  # Ctrl-C reaches only us, and whatever it starts can be ended with it
        env=os.environ | dict.fromkeys(POOLS, str(order.budget.threads)) | places,
    ) as child:
        try:
            if child.stdin is not None:
                with suppress(BrokenPipeError):  # it died at once, and its end says so
                    child.stdin.write(order_to_json(order))
                    child.stdin.close()
            yield child
        finally:
            if child.poll() is None:
                _kill(child)


def _end(child: subprocess.Popen[str], late: threading.Event) -> None:
    late.set()
    _kill(child)


def _kill(child: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit {code}"
    name = signal.Signals(-code).name
    return f"{name}: the machine may be out of memory" if name == "SIGKILL" else name
