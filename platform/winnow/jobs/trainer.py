"""``python -m winnow.jobs.trainer PARENT``: the process in which a strategy is trained; see training_process."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from winnow.processes import die_with_parent

if TYPE_CHECKING:
    from recommenders.contracts import Budget
    from winnow.jobs.training_process import Order

NEWS_EVERY = 0.5  # seconds; every piece of news is written to the database
OUT_OF_MEMORY = re.compile(r"can't allocate memory|not enough memory|bad_alloc|Unable to allocate")

Tell = Callable[[Mapping[str, object]], None]


def main() -> None:
    """Carry out the order on standard input, and tell the parent how it goes."""
    die_with_parent(signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):  # it died before the kernel was told
        sys.exit(1)
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what a strategy prints must not be taken for an answer
    import django

    django.setup()
    from winnow.jobs.training_process import order_from_json

    carry_out(order_from_json(sys.stdin.read()), _teller(channel))


def carry_out(order: Order, tell: Tell) -> None:
    """Read the data, train and store the version; whatever happens is told."""
    from recommenders.errors import RecommendersError

    try:
        tell({"trained": _train(order, tell)})
    except RecommendersError as error:
        tell({"refused": str(error)})
    except Exception as error:
        limit_memory(None)
        if isinstance(error, MemoryError) or OUT_OF_MEMORY.search(str(error)):
            tell({"refused": f"memory: {order.key} needs more than its budget of {order.budget.memory / 1e9:g} GB"})
            return
        traceback.print_exc()
        tell({"failed": f"{type(error).__name__}: {error}"})


def _train(order: Order, tell: Tell) -> dict[str, object]:
    from django.conf import settings

    from recommenders.services import artefact_root
    from recommenders.training import checkpoint_for, train
    from winnow.catalog.interactions import LEFT_OUT, read

    tell({"progress": 0.0, "step": "reading the data"})
    found = read(order.source)
    left_out = sum(count for name, count in found.notes.items() if name in LEFT_OUT)
    tell({"progress": 0.0, "step": f"read {len(found.data):,} acts, left {left_out:,} out"})
    code = version("winnow-platform")
    checkpoint = checkpoint_for(
        Path(settings.HOME) / "checkpoints",
        order.key,
        found.data,
        config=order.config,
        seed=order.seed,
        budget=order.budget,
        code_version=code,
    )
    limit_memory(order.budget)
    tell({"started": True})
    try:
        name, _ = train(
            order.key,
            found.data,
            artefact_root(),
            config=order.config,
            seed=order.seed,
            budget=order.budget,
            progress=_progress(tell),
            code_version=code,
            checkpoint=checkpoint,
            notes=found.record,
        )
    except Exception:
        checkpoint.remove()  # a place from which training failed once would fail again; a kill does not come here
        raise
    return {"version": name, "checkpoint": str(checkpoint.folder)}


def limit_memory(budget: Budget | None) -> None:
    """Let this process take the budget's memory beside what it has already; as much as it likes without one.

    Memory that is written to counts, not addresses. Does nothing outside Linux.
    """
    if sys.platform != "linux":
        return
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    if budget is None:
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        return
    pages = int(Path("/proc/self/statm").read_text().split()[5])  # data and stack
    taken = pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (taken + budget.memory, most))


def _progress(tell: Tell) -> Callable[[float, str], None]:
    told = 0.0

    def progress(share: float, step: str) -> None:
        nonlocal told
        if time.monotonic() - told >= NEWS_EVERY:
            told = time.monotonic()
            tell({"progress": min(max(share, 0.0), 1.0), "step": step})

    return progress


def _teller(channel: TextIO) -> Tell:
    def tell(what: Mapping[str, object]) -> None:
        channel.write(json.dumps(what) + "\n")

    return tell


if __name__ == "__main__":
    main()
