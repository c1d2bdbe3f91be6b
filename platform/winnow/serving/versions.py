"""The strategies that serve, by ``key@version``: loaded once a process, in the background, if they can be trusted."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass, field
from threading import Lock

from recommenders.artefacts import load
from recommenders.base import Strategy
from recommenders.errors import MissingExtra
from recommenders.models import Strategy as StrategyRow
from recommenders.models import StrategyVersion
from recommenders.services import artefact_root
from winnow.serving.catalogues import Catalogue
from winnow.serving.contracts import Trouble, Unservable
from winnow.serving.recent import Recent

logger = logging.getLogger(__name__)

SECONDS = 2.0  # after which the current version of a strategy is looked up again
RETRY = 30.0  # seconds after which a version that could not be loaded is tried again
MOST_LOADED = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A version as the records know it; ``files`` are the hashes that its artefact must have."""

    key: str
    version: str
    files: Mapping[str, str]


@dataclass(slots=True, kw_only=True, eq=False)
class Loaded:
    """A strategy that is ready. ``overdue`` counts its calls that nobody waits for any more and that still run.

    ``counted`` are the outcomes of its second looks that the counters have taken in.
    """

    key: str
    version: str
    strategy: Strategy[object]
    catalogue: Catalogue
    overdue: int = 0
    counted: Counter[str] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock)


@dataclass(slots=True, kw_only=True)
class _Load:
    future: Future[Loaded]
    asked_at: float
    used_at: float


def _look_up(label: str) -> Registered | Unservable:
    key, _, version = label.partition("@")
    if not key:
        return Unservable(Trouble.NO_STRATEGY, "no strategy of ours is behind this arm")
    if version:
        row = StrategyVersion.objects.select_related("strategy").filter(strategy__key=key, version=version).first()
    else:
        found = StrategyRow.objects.select_related("current__strategy").filter(key=key).first()
        row = found.current if found else None
        if found and row is None:
            return Unservable(Trouble.NO_VERSION, f"{key} has no current version; train it first")
    if row is None:
        return Unservable(Trouble.UNKNOWN_VERSION, f"there is no {label}")
    if not row.manifest:
        return Unservable(Trouble.NO_ARTEFACT, f"{row} was not trained here: it has nothing that could serve")
    return Registered(key=row.strategy.key, version=row.version, files=row.manifest["files"])


REGISTERED = Recent(_look_up, seconds=SECONDS)


def load_registered(registered: Registered) -> Loaded:
    """Read a version from the disk and check that it is the one that was registered. Raises Unservable."""
    name = f"{registered.key}@{registered.version}"
    try:
        strategy, items, manifest = load(artefact_root() / registered.key / registered.version)
    except MissingExtra as error:
        raise Unservable(Trouble.MISSING_PACKAGE, str(error)) from error
    except Exception as error:  # whatever a changed file can make of a restore
        logger.exception("%s cannot be loaded", name)
        raise Unservable(Trouble.BROKEN_ARTEFACT, f"the artefact of {name} cannot be loaded") from error
    if manifest.key != registered.key or manifest.files != registered.files:
        logger.error("the artefact of %s is not the one that was registered", name)
        raise Unservable(Trouble.BROKEN_ARTEFACT, f"the artefact of {name} is not the one that was registered")
    _ = items.codes  # now, and not in the first request
    return Loaded(key=registered.key, version=registered.version, strategy=strategy, catalogue=Catalogue(items))


class Versions:
    """The loaded versions of this process, the least recently used ones given up beyond :data:`MOST_LOADED`."""

    def __init__(self) -> None:
        self._loads: dict[tuple[str, str], _Load] = {}
        self._lock = Lock()
        self._pool: ThreadPoolExecutor | None = None

    def find(self, label: str, *, deadline: float) -> Loaded:
        """The version, if it is ready before the deadline (of time.monotonic). Raises Unservable."""
        registered = REGISTERED.get(label)
        if isinstance(registered, Unservable):
            raise Unservable(registered.trouble, str(registered))
        future = self._load(registered)
        try:
            return future.result(timeout=max(deadline - time.monotonic(), 0))
        except NotInTime:
            name = f"{registered.key}@{registered.version}"
            raise Unservable(Trouble.LOADING, f"{name} is being loaded; it serves in a moment") from None

    def prepare(self, label: str) -> None:
        """Begin to load a version that will be asked for soon."""
        registered = REGISTERED.get(label)
        if isinstance(registered, Registered):
            self._load(registered)

    def forget(self) -> None:
        """Load everything anew."""
        with self._lock:
            self._loads.clear()

    def _load(self, registered: Registered) -> Future[Loaded]:
        name, now = (registered.key, registered.version), time.monotonic()
        with self._lock:
            known = self._loads.get(name)
            if known is None or (_failed(known.future) and now - known.asked_at > RETRY):
                # One thread: a second load would only make the first one slower.
                self._pool = self._pool or ThreadPoolExecutor(max_workers=1, thread_name_prefix="load")
                known = _Load(future=self._pool.submit(load_registered, registered), asked_at=now, used_at=now)
                self._loads[name] = known
                self._give_up_old()
            known.used_at = now
            return known.future

    def _give_up_old(self) -> None:
        for name, _ in sorted(self._loads.items(), key=lambda item: item[1].used_at)[:-MOST_LOADED]:
            del self._loads[name]


def _failed(future: Future[Loaded]) -> bool:
    return future.done() and future.exception() is not None


VERSIONS = Versions()
