"""``make test``: every leg of the tests against real services, and at the end which legs ran.

A leg that could not run is named with the reason, and fails the run where CI or WINNOW_REQUIRE_LEGS is set.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests import services
from tests.services import Service, Unavailable

DJANGO = (
    "tests/winnow",
    "tests/recommenders",
    "tests/experiments/services",
    "tests/experiments/queries",
    "tests/experiments/test_selectors.py",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One part of the tests and the service it needs."""

    name: str
    arguments: tuple[str, ...]
    service: Callable[[], AbstractContextManager[Service]] | None = None
    variables: tuple[str, ...] = ()  # the environment variables that tell product and tests where the service is


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a leg went."""

    leg: Leg
    how: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    ran: bool = True


LEGS = (
    Leg(
        name="Pure; Django on SQLite; Celery with the embedded broker",
        arguments=(
            "-m",
            "not postgresql and not browser and not real_data and not node",
            "tests",
            "experiments",
            "--doctest-modules",
        ),
    ),
    Leg(
        name="Django on PostgreSQL through psycopg2",
        arguments=("-m", "not broker and not browser and not real_data and not sqlite and not node", *DJANGO),
        service=services.postgresql,
        variables=("WINNOW_DATABASE_URL", "WINNOW_TEST_POSTGRES_URL"),
    ),
    Leg(
        name="Celery with Redis",
        arguments=("-m", "broker", "tests"),
        service=services.redis,
        variables=("WINNOW_BROKER_URL", "WINNOW_TEST_REDIS_URL"),
    ),
    Leg(
        name="Pages in Chromium",
        arguments=("-m", "browser", "tests"),
        service=services.chromium,
        variables=("WINNOW_TEST_CHROMIUM",),
    ),
    Leg(
        name="Official clients in Node",
        arguments=("-m", "node", "tests"),
        service=services.node,
        variables=("WINNOW_TEST_NODE",),
    ),
    Leg(
        name="Public experiments",
        arguments=("-m", "real_data", "tests"),
        service=services.data,
        variables=("WINNOW_TEST_DATA",),
    ),
)


def run(leg: Leg) -> Outcome:
    """Run a leg if its service can be had."""
    print(f"\n=== {leg.name}", flush=True)
    if leg.service is None:
        return _pytest(leg, {}, "nothing needed")
    try:
        with leg.service() as service:
            return _pytest(leg, dict.fromkeys(leg.variables, service.address), service.how)
    except Unavailable as error:
        print(f"NOT RUN: {error}", flush=True)
        return Outcome(leg=leg, how=str(error), ran=False)


def _pytest(leg: Leg, environment: Mapping[str, str], how: str) -> Outcome:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *leg.arguments]
        done = subprocess.run(command, env=os.environ | environment)
        counts = dict(ElementTree.parse(report).getroot()[0].items()) if report.exists() else {}
    total, skipped = int(counts.get("tests", 0)), int(counts.get("skipped", 0))
    failed = int(counts.get("failures", 0)) + int(counts.get("errors", 0))
    if done.returncode and not failed:
        failed, how = 1, f"{how}; pytest ended with status {done.returncode}"  # 5: it found no test
    passed = max(total - skipped - failed, 0)
    return Outcome(leg=leg, how=how, passed=passed, failed=failed, skipped=skipped, seconds=time.monotonic() - started)


def main() -> int:
    """Run all legs and say which ran."""
    outcomes = [run(leg) for leg in LEGS]
    print("\nLegs")
    for outcome in outcomes:
        if outcome.ran:
            counts = (
                f"{outcome.passed} passed, {outcome.failed} failed, {outcome.skipped} skipped, {outcome.seconds:.0f} s"
            )
            print(f"  {'ok    ' if not outcome.failed else 'FAILED'}   {outcome.leg.name}: {counts} ({outcome.how})")
        else:
            print(f"  NOT RUN  {outcome.leg.name}: {outcome.how}")
    missing = [outcome for outcome in outcomes if not outcome.ran]
    if missing:
        print(f"\nWARNING: {len(missing)} of {len(LEGS)} legs did not run.")
    failed = sum(outcome.failed for outcome in outcomes)
    print(f"{sum(outcome.passed for outcome in outcomes)} passed, {failed} failed")
    required = bool(os.environ.get("CI") or os.environ.get("WINNOW_REQUIRE_LEGS"))
    return 1 if failed or (missing and required) else 0


if __name__ == "__main__":
    sys.exit(main())
