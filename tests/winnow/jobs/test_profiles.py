"""Profiles as a job: from the inbox to a version, once, whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from experiments.contracts import PlannedArm, Role, Unit
from experiments.errors import InvalidInput
from experiments.rendering import thaw
from experiments.services import lifecycle
from experiments.services.lifecycle import Draft
from winnow.catalog.covariates import provide_profiles
from winnow.catalog.features import fill_items, find_item, find_user, user_figures, user_segments
from winnow.catalog.histories import forget, histories
from winnow.catalog.interactions import load
from winnow.catalog.models import ProfileVersion
from winnow.catalog.profiles import delete_old_versions, folder_of, name_of, newest_version, profiles_folder
from winnow.celery import app
from winnow.events.compaction import compact
from winnow.events.ingest import ingest
from winnow.events.warehouse import LakeWarehouse
from winnow.jobs import runner, tasks
from winnow.jobs.evaluation import request_evaluation
from winnow.jobs.models import Job, State
from winnow.jobs.profiles import compute_newest, profiles_are_due, request_profiles

pytestmark = pytest.mark.django_db(transaction=True)

LAST = datetime(2026, 5, 4, 11, tzinfo=UTC)


@pytest.fixture(autouse=True)
def home(settings, tmp_path, monkeypatch):
    settings.HOME, settings.LAKE = tmp_path, tmp_path / "lake"
    monkeypatch.setattr(app, "send_task", lambda *args, **kwargs: None)
    forget()
    yield tmp_path
    forget()


def send(users: int = 3, *, days: float = 0, name: str = "a") -> None:
    """Views and an order of each user, some days before the last moment."""
    at = (LAST - timedelta(days=days)).isoformat()
    ingest(
        event
        for user in range(users)
        for event in (
            {"event": "Product Viewed", "messageId": f"{name}{user}v", "userId": f"u{user}", "timestamp": at,
             "properties": {"item_id": f"i{user}", "category": "books", "name": f"Book {user}", "price": 9.5}},
            {"event": "Order Completed", "messageId": f"{name}{user}o", "userId": f"u{user}", "timestamp": at,
             "properties": {"item_id": f"i{user}", "value": 100 * (user + 1), "currency": "CNY"}},
        )
    )  # fmt: skip


def run() -> Job:
    job = request_profiles()
    runner.run(str(job.pk), tasks.work)
    job.refresh_from_db()
    assert job.error == ""
    return job


def test_the_job_brings_the_inbox_into_profiles_that_can_be_read():
    send()
    assert run().state == State.DONE
    version = newest_version()
    assert (version.users, version.items, version.until) == (3, 3, LAST + timedelta(microseconds=1))
    assert find_user(version, "u1")["spend"] == 200
    assert find_item(version, "i1")["text"] == "Book 1"
    assert find_user(version, "nobody") is None
    assert histories(["u1", "nobody"])["u1"].items == ("i1", "i1")


def test_it_is_due_only_when_there_are_events_that_no_version_has_seen():
    assert not profiles_are_due()
    send()
    assert profiles_are_due()
    run()
    Job.objects.update(started_at=LAST, finished_at=LAST)
    assert not profiles_are_due()
    send(name="b")
    assert profiles_are_due()


def test_it_rests_nine_times_as_long_as_it_took():
    send()
    run()
    send(name="b")
    now = datetime.now(UTC)
    Job.objects.update(started_at=now - timedelta(minutes=10), finished_at=now - timedelta(minutes=2))
    assert not profiles_are_due()


def test_the_same_lake_gives_the_version_that_exists():
    send()
    compact()
    assert compute_newest().pk == compute_newest().pk
    assert ProfileVersion.objects.count() == 1


def test_histories_follow_a_newer_version(monkeypatch):
    monkeypatch.setattr("winnow.catalog.histories.CHECK_EVERY", 0.0)
    assert histories(["u0"]) == {}
    for name in ("a", "b"):
        send(1, name=name)
        compact()
        compute_newest()
        assert len(histories(["u0"])["u0"].items) == (2 if name == "a" else 4)


def test_features_come_in_the_order_asked_for_with_nan_where_nothing_is_known():
    send()
    run()
    version = newest_version()
    spend = user_figures(version, ["u2", "nobody", "u0"])["spend"]
    assert spend[0] == 300
    assert spend[1] != spend[1]
    assert spend[2] == 100
    assert user_segments(version, ["nobody", "u0"])["interest"] == ("none", "books")


def test_events_fill_what_the_catalogue_does_not_say():
    from recommenders.contracts import Items

    send()
    run()
    items = fill_items(newest_version(), Items(ids=("i1", "other"), texts=("", "mine")))
    assert items.texts == ("Book 1", "mine")
    assert items.category_names == ("books",)
    assert items.categories.tolist() == [0, -1]
    assert items.prices[0] == 9.5


def test_strategies_learn_from_what_events_said_of_items():
    send()
    run()
    learnt = load("lake").catalogue
    assert "Book 1" in (learnt.texts or ())
    assert learnt.category_names == ("books",)


def experiment(key: str = "exp"):
    lifecycle.create(
        Draft(
            key=key,
            name=key,
            arms=(PlannedArm(key="c"), PlannedArm(key="t")),
            metrics=(("conversion", Role.PRIMARY),),
            segments=("profile.interest",),
            profile_covariates=("orders",),
        )
    )
    return lifecycle.start(key, at=LAST - timedelta(days=1))


def test_an_experiment_sees_the_profiles_of_its_start_and_late_events_from_before_it():
    send(days=5)
    send(days=0, name="during")
    compact()
    warehouse = LakeWarehouse()
    first = provide_profiles(warehouse, experiment())
    rows = warehouse.query("SELECT user_id, orders, interest FROM profiles ORDER BY user_id", {})
    assert rows[0] == {"user_id": "u0", "orders": 1, "interest": "books"}
    send(days=0, name="more")
    compact()
    assert provide_profiles(LakeWarehouse(), experiment("other")) == first
    send(days=4, name="late")
    compact()
    warehouse = LakeWarehouse()
    assert provide_profiles(warehouse, experiment("third")) != first
    assert warehouse.query("SELECT orders FROM profiles WHERE user_id = 'u0'", {}) == [{"orders": 2}]


def test_old_versions_go_unless_an_experiment_refers_to_them():
    send(days=5)
    compact()
    provide_profiles(LakeWarehouse(), experiment())
    for number in range(5):
        send(name=f"n{number}")
        compact()
        compute_newest()
    assert delete_old_versions() == 2
    assert ProfileVersion.objects.count() == 4
    assert {folder_of(one) for one in ProfileVersion.objects.all()} == set(profiles_folder().iterdir())


def test_an_evaluation_adjusts_by_profiles_of_the_start_and_keeps_the_version_it_used():
    send(30, days=5)
    running = experiment()
    at = (LAST - timedelta(hours=5)).isoformat()
    ingest(
        {"event": "Experiment Viewed", "messageId": f"x{user}", "userId": f"u{user}", "timestamp": at,
         "properties": {"experiment": "exp", "arm": "ct"[user % 2]}}
        for user in range(40)
    )  # fmt: skip
    send(20, name="during")
    job = request_evaluation("exp")
    runner.run(str(job.pk), tasks.work)
    job.refresh_from_db()
    assert (job.state, job.error) == (State.DONE, "")
    analysis = running.analyses.get()
    assert analysis.settings["profiles"] in {name_of(one) for one in ProfileVersion.objects.all()}
    metric = thaw(analysis.report).metrics[0]
    assert metric.metric.covariates == ("Orders (profile)", "Orders unknown (profile)")
    counted = {one.segment: one.n for one in metric.segments[0].segments}
    assert counted == {"books": 30, "none": 10}
    assert "orders" in analysis.settings["scope"]["figures"]
    lifecycle.stop("exp")
    lifecycle.decide("exp", outcome="no_decision", reason="enough")
    delete_old_versions()
    assert analysis.settings["profiles"] in {name_of(one) for one in ProfileVersion.objects.all()}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"segments": ("profile.income",)}, "segments: 'profile.income' must be one of profile.purchasing_power"),
        ({"profile_covariates": ("income",)}, "profile_covariates: 'income' must be one of events"),
        ({"profile_covariates": ("orders", "orders")}, "profile_covariates: orders given twice"),
        ({"profile_covariates": ("orders",), "unit": Unit.IMPRESSION}, "unit: impression has no profile"),
    ],
)
def test_a_draft_that_names_what_profiles_do_not_have_is_refused(changes, message):
    arms = (PlannedArm(key="c"), PlannedArm(key="t"))
    with pytest.raises(InvalidInput) as refused:
        lifecycle.create(Draft(key="e", name="e", arms=arms, metrics=(("conversion", Role.PRIMARY),), **changes))
    assert message in str(refused.value)


SCRIPT = """
import sys, time
import django
django.setup()
from django.core.management import call_command
from winnow.catalog import profiles
from winnow.catalog.histories import forget, histories
from winnow.events.compaction import compact
from winnow.events.ingest import ingest
from winnow.jobs.profiles import compute_newest

step = sys.argv[1]


def tell():
    version = profiles.newest_version()
    folders = sorted(path.name for path in profiles.profiles_folder().glob("*"))
    named = version is not None and folders == [profiles.folder_of(version).name]
    print(version is not None, len(histories(["u"])), len(folders), named, flush=True)
    forget()


def wait(path):
    if str(path).endswith(step):
        print("now", flush=True)
        time.sleep(60)
    force(path)


if step == "prepare":
    call_command("migrate", verbosity=0)
    at = "2026-05-04T11:00:00Z"
    seen = {"event": "Product Viewed", "messageId": "1", "userId": "u", "timestamp": at, "properties": {"item_id": "i"}}
    ingest([seen])
    compact()
else:
    tell()
    force, profiles.fsync = profiles.fsync, wait
    compute_newest()
    tell()
"""


def process(home: Path, step: str) -> subprocess.Popen[str]:
    """A step of the script in a home of its own."""
    root = Path(__file__).parents[3]
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "winnow.settings",
        "WINNOW_HOME": str(home),
        "WINNOW_DATABASE_URL": "",
        "WINNOW_LAKE": "",
        "PYTHONPATH": f"{root / 'platform'}:{root}",
    }
    return subprocess.Popen([sys.executable, "-c", SCRIPT, step], stdout=subprocess.PIPE, text=True, env=environment)


def said(home: Path, step: str) -> str:
    """What a step that ends by itself says."""
    with process(home, step) as running:
        output, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    return output.strip()


@pytest.mark.slow
@pytest.mark.sqlite
def test_a_killed_computation_leaves_nothing_that_anybody_reads_and_the_next_one_sweeps_up(tmp_path):
    home = tmp_path / "killed"
    said(home, "prepare")
    nothing, left_behind = "False 0 0 False", "False 0 1 False"
    # while the files are forced to the disk, and after the folder got its name but before the row
    for where, before in (("users.parquet", nothing), ("/profiles", left_behind)):
        with process(home, where) as running:
            assert running.stdout.readline().strip() == before
            assert running.stdout.readline().strip() == "now"
            running.send_signal(signal.SIGKILL)
    assert said(home, "whole").splitlines() == [left_behind, "True 1 1 True"]
