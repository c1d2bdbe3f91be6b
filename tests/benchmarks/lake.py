"""10⁷ generated events in a real lake: files to moments, against one sum over the same columns.

The events are generated; nothing here says anything about real users.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

EVENTS = int(os.environ.get("WINNOW_BENCH_EVENTS", 10_000_000))
USERS = 600_000
DAYS = 14
START = datetime(2026, 1, 1, tzinfo=UTC)
METRICS = ("ctr", "conversion", "participation", "revenue")

DAY = """
WITH e AS (
  SELECT hash(i, {day}) % {users} AS u, hash(i, {day}, 7) AS h, i FROM range({rows}) AS r(i)
)
SELECT
  format('{{:08x}}-{{:04x}}-4{{:03x}}-{{:016x}}', h % 4294967296, u % 65536, i % 4096, hash(h)) AS message_id,
  'user-' || lpad(u::VARCHAR, 7, '0') AS user_id,
  NULL::VARCHAR AS anonymous_id,
  CASE
    WHEN h % 100 < 8 THEN 'Experiment Viewed'
    WHEN h % 100 < 70 THEN 'Promotion Viewed'
    WHEN h % 100 < 85 THEN 'Promotion Clicked'
    WHEN h % 100 < 90 THEN 'Promotion Joined'
    WHEN h % 100 < 99 THEN 'Order Completed'
    ELSE 'Order Refunded'
  END AS event,
  TIMESTAMPTZ '{date} 00:00:00+00' + ((h >> 20) % 86400000000) * INTERVAL 1 MICROSECOND AS timestamp,
  timestamp AS received_at,
  (hash(u) % 64)::TINYINT AS bucket,
  NULL::VARCHAR AS ranking_id,
  CASE WHEN h % 100 < 8 THEN 'bench' END AS experiment,
  CASE WHEN h % 100 < 8 THEN if(u % 2 = 0, 'control', 'treatment') END AS arm,
  'item-' || (h % 12000) AS item_id,
  'c1' AS campaign_id,
  (h % 6)::INTEGER AS position,
  CASE WHEN h % 100 >= 90 THEN 100 + (h >> 8) % 20000 END::BIGINT AS value,
  CASE WHEN h % 100 >= 90 THEN 'CNY' END AS currency,
  '{{}}' AS properties
FROM e
"""
# Every column that the metrics read, once: numbers are summed, texts are looked at.
ONE_SCAN = """
SELECT max(user_id), max(event), max(epoch_us(timestamp)), max(experiment), max(arm), max(currency), sum(value)
FROM events
"""


def main() -> None:
    folder = tempfile.mkdtemp(prefix="winnow-bench-")
    os.environ["WINNOW_HOME"] = folder
    try:
        measure()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure() -> None:
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "winnow.settings"
    django.setup()

    from experiments.contracts import Unit
    from experiments.metrics.builtin import BUILTIN_METRICS
    from experiments.queries.scope import Scope
    from experiments.services import evidence
    from tests.benchmarks.figures import cpu_seconds, median, peak_megabytes, report
    from winnow.events.warehouse import LakeWarehouse

    fill()
    warehouse = LakeWarehouse()
    rows = warehouse.row_count()
    scope = Scope(experiment="bench", unit=Unit.USER, start=START, end=START + timedelta(days=DAYS), currency="CNY")
    metrics = [metric for metric in BUILTIN_METRICS if metric.key in METRICS]

    def to_moments() -> None:
        evidence.totals_of(scope, metrics, warehouse, rows=rows)

    first_wall = time.perf_counter()
    first = cpu_seconds(to_moments, repeat=1)[0]
    first_wall = time.perf_counter() - first_wall
    peak = peak_megabytes()
    scans, moments = [], []
    for _ in range(5):  # in turn, so that a change of the machine's speed meets both
        scans += cpu_seconds(lambda: warehouse.query(ONE_SCAN, {}), repeat=1)
        moments += cpu_seconds(to_moments, repeat=1)
    report("events", f"{rows:,}", f"{USERS:,} users, {DAYS} days, {len(metrics)} metrics; generated")
    report("one scan of the columns", f"{median(scans):.2f} s", "CPU, median of 5")
    report("files to moments", f"{median(moments):.2f} s", "CPU, median of 5")
    report("files to moments / one scan", f"{median(moments) / median(scans):.2f}", "aim: at most 3")
    report("first run in a fresh process", f"{first:.2f} s", f"CPU; {first_wall:.2f} s on the clock, 2 threads")
    report("peak memory of the first run", f"{peak:.0f} MB", "the whole process")


def fill() -> None:
    """Write the events day by day, in processes that end, so that their memory is not counted here."""
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    process = context.Process(target=fill_lake, args=(os.environ["WINNOW_HOME"],))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit("the lake could not be filled")


def fill_lake(home: str) -> None:
    os.environ["WINNOW_HOME"] = home
    os.environ["DJANGO_SETTINGS_MODULE"] = "winnow.settings"
    import django

    django.setup()
    from winnow.events.lake import Lake
    from winnow.events.warehouse import connect

    lake = Lake(Path(home) / "lake")
    table = lake.open()
    connection = connect()
    files = []
    for day in range(DAYS):
        of_day = date(2026, 1, 1) + timedelta(days=day)
        sql = DAY.format(day=day, users=USERS, rows=EVENTS // DAYS + 1, date=of_day)
        files.append(lake.write_day(connection, day=of_day, name="generated", relation=f"({sql})"))
    lake.commit(table, files, batch=1, metadata={"events": sum(file.rows for file in files), "duplicates": 0})


if __name__ == "__main__":
    main()
