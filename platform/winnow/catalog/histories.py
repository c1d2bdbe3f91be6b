"""What each user did last, for the lists that are served to them. Computed by the profile job; see docs/profiles.md."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recommenders.profiles.computation import HISTORIES
from recommenders.profiles.histories import Histories, History
from winnow.catalog.profiles import folder_of, newest_version, profiles_folder

__all__ = ["History", "forget", "histories"]

CHECK_EVERY = 2.0  # seconds after which a process looks for a newer version


@dataclass(frozen=True, slots=True)
class _Opened:
    home: Path
    folder: Path | None
    files: Histories | None
    until: float  # of time.monotonic


_opened: _Opened | None = None


def histories(user_ids: Sequence[str]) -> Mapping[str, History]:
    """The last acts (at most 50) of each of these users, oldest first. Users of whom nothing is known are absent.

    Every process sees a new version within :data:`CHECK_EVERY` seconds. Nothing is there before the first one.
    """
    files = _newest()
    if files is None:
        return {}
    found = ((user_id, files.find(user_id)) for user_id in user_ids)
    return {user_id: history for user_id, history in found if history is not None}


def forget() -> None:
    """Look for the newest version at the next call."""
    global _opened
    _opened = None


def _newest() -> Histories | None:
    # Threads may do this twice at the same moment: both open the same files, and one of the two is kept.
    global _opened
    last, now = _opened, time.monotonic()
    if last and last.home == profiles_folder() and now < last.until:
        return last.files
    version = newest_version()
    folder = folder_of(version) / HISTORIES if version else None
    same = last is not None and last.folder == folder
    files = last.files if last and same else Histories(folder) if folder else None
    _opened = _Opened(home=profiles_folder(), folder=folder, files=files, until=now + CHECK_EVERY)
    return files
