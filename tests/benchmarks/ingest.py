"""Durable ingest and compaction on SQLite: batches of 100 generated events."""

from __future__ import annotations

import os
import shutil
import tempfile
import time

EVENTS = 100_000
BATCH = 100


def main() -> None:
    folder = tempfile.mkdtemp(prefix="winnow-bench-")
    os.environ["WINNOW_HOME"] = folder
    os.environ["DJANGO_SETTINGS_MODULE"] = "winnow.settings"
    os.environ.pop("WINNOW_DATABASE_URL", None)
    try:
        measure()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from tests.benchmarks.figures import report
    from winnow.demo import simulation
    from winnow.events.compaction import compact
    from winnow.events.ingest import ingest

    call_command("migrate", verbosity=0)
    events = [event for event, _ in zip(simulation.events(), range(EVENTS), strict=False)]
    started = time.perf_counter()
    for start in range(0, EVENTS, BATCH):
        ingest(events[start : start + BATCH])
    seconds = time.perf_counter() - started
    report("durable ingest, batches of 100", f"{EVENTS / seconds:,.0f}/s", "validated and committed, SQLite FULL")
    started = time.perf_counter()
    compact()
    seconds = time.perf_counter() - started
    report("inbox to lake", f"{EVENTS / seconds:,.0f}/s", "de-duplicated, sorted, fsynced")


if __name__ == "__main__":
    main()
