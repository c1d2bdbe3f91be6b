"""How a benchmark measures and reports."""

from __future__ import annotations

import json
import resource
import statistics
import sys
from collections.abc import Callable


def report(what: str, figure: str, note: str = "") -> None:
    """One line of the result, as JSON for the caller."""
    print(json.dumps({"what": what, "figure": figure, "note": note}), flush=True)


def cpu_seconds(work: Callable[[], object], *, repeat: int) -> list[float]:
    """The CPU seconds of this process, all threads, for each of several runs."""
    seconds = []
    for _ in range(repeat):
        before = resource.getrusage(resource.RUSAGE_SELF)
        work()
        after = resource.getrusage(resource.RUSAGE_SELF)
        seconds.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return seconds


def median(values: list[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def peak_megabytes() -> float:
    """The largest resident size that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
