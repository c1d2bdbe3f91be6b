"""What serving counts, for Prometheus. All processes of an installation count into files in the home folder."""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", f"{settings.HOME}/metrics")  # read when the library is imported

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from winnow.serving.contracts import ServedList, Source

FOLDER = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
FOLDER.mkdir(exist_ok=True)

PREFIX = "winnow_recommendation_"
BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2, 5, 10)

REQUESTS = Counter(f"{PREFIX}requests", "Requests for recommendations, by the status of the answer.", ["status"])
SECONDS = Histogram(f"{PREFIX}seconds", "From the parsed request to the answer, the log included.", buckets=BUCKETS)
LISTS = Counter(f"{PREFIX}lists", "Lists served, by where their items come from; none is an empty list.", ["source"])
FALLBACKS = Counter(f"{PREFIX}fallbacks", "Lists that are not wholly the strategy's own, by the reason.", ["reason"])
RERANKS = Counter(f"{PREFIX}reranks", "Lists that were ranked again, by what became of it.", ["outcome"])
UNKNOWN_ITEMS = Counter(f"{PREFIX}unknown_items", "Items of histories and candidates that the version does not know.")
UNKNOWN_USERS = Counter(f"{PREFIX}unknown_users", "Users without a history, given or known.")
DOUBLED_ACTS = Counter(f"{PREFIX}doubled_acts", "Entries of given histories that were there twice.")

CONTENT_TYPE = CONTENT_TYPE_LATEST


def count_lists(lists: Sequence[ServedList]) -> None:
    """Count lists and what went wrong with them."""
    for name, times in Tally(_source(made) for made in lists).items():
        LISTS.labels(name).inc(times)
    for trouble, times in Tally(made.trouble for made in lists if made.trouble).items():
        FALLBACKS.labels(trouble.value).inc(times)


def _source(made: ServedList) -> str:
    """The least good source of its items, exploration aside."""
    sources = {slot.source for slot in made.slots}
    if not sources:
        return "none"
    if Source.FALLBACK not in sources:
        return "strategy"
    return "filled" if Source.STRATEGY in sources else "fallback"


def exposition() -> bytes:
    """All counters of all processes in the text format."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def forget_dead_processes() -> None:
    """Remove what earlier processes of this home counted. Call it while none runs."""
    for file in FOLDER.glob("*.db"):
        file.unlink(missing_ok=True)
