"""Versions of profiles: how one is computed, kept as files, found, read, and when it is deleted.

A version is written into a folder of another name, forced to the disk and renamed; its row comes last. So what a row
names is whole, whenever the job is killed; what no row names is swept away by the next one.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version as version_of
from pathlib import Path

from django.conf import settings

from experiments.selectors import profiles_in_use
from recommenders.contracts import Items
from recommenders.profiles.computation import HISTORIES, Summary, compute_profiles, count_events, read_summary, silent
from winnow.catalog.items import catalogue
from winnow.catalog.models import ProfileVersion
from winnow.catalog.vocabulary import ACT_KINDS
from winnow.events.lake import fsync
from winnow.events.warehouse import LakeWarehouse
from winnow.locks import exclusive

KEPT = 3  # newest versions; a reader of an older one has long finished
DRAFT = ".draft"
WAIT = 1800.0  # seconds that somebody waits for another's computation


def profiles_folder() -> Path:
    """Where all versions lie, each in a folder of its own."""
    return Path(settings.HOME) / "profiles"


def folder_of(version: ProfileVersion) -> Path:
    """The files of a version; named by what it was computed from, so that the name is known before the row is."""
    return profiles_folder() / name_of(version)


def name_of(version: ProfileVersion) -> str:
    """The version as analyses refer to it."""
    return f"{version.lake_version}-{version.until:%Y%m%dT%H%M%S%f}-{version.code_version}"


def newest_version(*, most_lake_version: int | None = None) -> ProfileVersion | None:
    """The version for lists and pages: the latest moment, of the newest lake. None where nothing was computed yet.

    ``most_lake_version``: of lakes up to this one only.
    """
    versions = ProfileVersion.objects.order_by("-until", "-lake_version", "-id")
    if most_lake_version is not None:
        versions = versions.filter(lake_version__lte=most_lake_version)
    return next((one for one in versions if (folder_of(one) / HISTORIES).is_dir()), None)


def summary_of(version: ProfileVersion) -> Summary:
    """What a version holds."""
    return read_summary(folder_of(version))


def compute_version(
    warehouse: LakeWarehouse, until: datetime, *, histories: bool, progress: Callable[[str], None] = silent
) -> ProfileVersion:
    """The version of this lake, moment and code; computed unless it is there already."""
    with _alone():
        _sweep()
        version = ProfileVersion(
            lake_version=warehouse.version, until=until, code_version=version_of("winnow-platform")
        )
        known = ProfileVersion.objects.filter(
            lake_version=version.lake_version, until=until, code_version=version.code_version
        ).first()
        if known and _serves(known, histories=histories):
            return known
        summary = _write(folder_of(version), warehouse, until, histories=histories, progress=progress)
        found, _ = ProfileVersion.objects.update_or_create(
            lake_version=version.lake_version,
            until=until,
            code_version=version.code_version,
            defaults={"users": summary.users, "items": summary.items},
        )
        return found


def version_before(warehouse: LakeWarehouse, until: datetime) -> ProfileVersion:
    """A version of the events of this lake before a moment: one that saw the same events, or a new one.

    Events are only ever added, so a version that saw as many of them saw the same ones.
    """
    events = count_events(warehouse.connection, until)
    versions = ProfileVersion.objects.filter(until=until, code_version=version_of("winnow-platform"))
    for version in versions.filter(lake_version__lte=warehouse.version):
        if folder_of(version).is_dir() and summary_of(version).events == events:
            return version
    return compute_version(warehouse, until, histories=False)


def delete_old_versions() -> int:
    """Delete versions beyond the newest few, unless an experiment or an analysis refers to them. Returns how many."""
    with _alone():
        starts, named = profiles_in_use()
        serving = ProfileVersion.objects.order_by("-until", "-lake_version", "-id")
        kept = [one.pk for one in serving if (folder_of(one) / HISTORIES).is_dir()][:KEPT]
        old = [
            one
            for one in ProfileVersion.objects.exclude(pk__in=kept).exclude(until__in=starts)
            if name_of(one) not in named
        ]
        for version in old:
            folder = folder_of(version)
            version.delete()
            _remove(folder)
    return len(old)


def _serves(version: ProfileVersion, *, histories: bool) -> bool:
    folder = folder_of(version)
    return (folder / HISTORIES).is_dir() if histories else folder.is_dir()


def _write(
    target: Path, warehouse: LakeWarehouse, until: datetime, *, histories: bool, progress: Callable[[str], None]
) -> Summary:
    draft = target.with_name(target.name + DRAFT)
    draft.mkdir(parents=True)
    summary = compute_profiles(
        warehouse.connection,
        draft,
        kinds=ACT_KINDS,
        items=catalogue() or Items(ids=()),
        until=until,
        zone=settings.TIME_ZONE,
        histories=histories,
        progress=progress,
    )
    for path in (*draft.rglob("*"), draft):
        fsync(path)
    _remove(target)  # of the same events, without histories
    draft.rename(target)
    fsync(target.parent)
    return summary


def _sweep() -> None:
    """Remove what a killed process left behind: drafts, and folders that never got their row."""
    named = {name_of(version) for version in ProfileVersion.objects.all()}
    for folder in profiles_folder().glob("*"):
        if folder.name not in named:
            shutil.rmtree(folder)


def _remove(folder: Path) -> None:
    """Under another name first: nobody finds half a version."""
    if folder.is_dir():
        doomed = folder.with_name(f"{folder.name}.old{DRAFT}")
        folder.rename(doomed)
        shutil.rmtree(doomed)


@contextmanager
def _alone() -> Iterator[None]:
    """Wait for whoever writes or deletes versions now."""
    deadline = time.monotonic() + WAIT
    while True:
        with exclusive("profiles") as taken:
            if taken:
                yield
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"another process has been computing profiles for {WAIT:.0f} seconds")
        time.sleep(0.2)
