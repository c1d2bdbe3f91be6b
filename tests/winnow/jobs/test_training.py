"""Training in a process of its own: what it may use has an end, and what is killed goes on."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recommenders.artefacts import load
from recommenders.contracts import Budget
from recommenders.errors import InvalidConfig, InvalidData, UnknownStrategy
from recommenders.models import Strategy, StrategyVersion
from recommenders.registry import places
from recommenders.services import artefact_root
from tests.installation import Installation, alive, children, running, wait_for
from winnow.catalog.interactions import Source
from winnow.celery import app
from winnow.jobs import training_process
from winnow.jobs.models import Job, State
from winnow.jobs.training import request_training
from winnow.jobs.training_process import Order, TrainingFailed, TrainingRefused, train_apart

REPOSITORY = Path(__file__).parents[3]
MODULE = """
import os, signal, time
from dataclasses import dataclass
import numpy as np
from recommenders.base import Strategy, report_of
from recommenders.contracts import BUDGET, silent

@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    does: str = "nothing"

class Unruly(Strategy[Config]):
    key, name, family = "unruly", "Unruly", "baseline"
    Config = Config

    def fit(self, data, *, seed=0, budget=BUDGET, progress=silent):
        print('{"trained": {"version": "../../etc", "checkpoint": "/"}}')
        if self.config.does == "takes memory":
            self.all = [np.ones(10_000_000) for _ in range(20)]
        elif self.config.does == "takes time":
            time.sleep(60)
        elif self.config.does == "raises":
            raise RuntimeError("the strategy's own mistake")
        elif self.config.does == "dies":
            os.kill(os.getpid(), signal.SIGSEGV)
        square = np.random.default_rng(seed).random((600, 600))
        self.total = (square @ square).sum()
        return report_of(data, time.monotonic(), threads=len(os.listdir("/proc/self/task")))

    def score(self, batch):
        return np.zeros((len(batch), 20), dtype=np.float32)

    def state(self):
        return {"total": np.array(self.total)}

    @classmethod
    def restore(cls, config, arrays, items):
        return cls(config)
"""


@pytest.fixture
def home(tmp_path, settings, monkeypatch) -> Iterator[Path]:
    """A home of its own, and a package with a strategy that does as its configuration says."""
    package = tmp_path / "package"
    info = package / "unruly-1.0.dist-info"
    info.mkdir(parents=True)
    (package / "unruly_strategy.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: unruly\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[winnow.strategies]\nunruly = unruly_strategy:Unruly\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(package), str(REPOSITORY / "platform"), str(REPOSITORY)]))
    monkeypatch.syspath_prepend(package)
    places.cache_clear()
    settings.HOME = tmp_path / "home"
    yield settings.HOME
    places.cache_clear()


def walks(folder: Path, users: int) -> Source:
    """A file in which everybody walks along the items, from anywhere."""
    path = folder / "walks.txt"
    path.write_text(
        "\n".join(f"u{u} {' '.join(f'i{(u * 7 + step) % 40}' for step in range(12))}" for u in range(users))
    )
    return Source(name=str(path))


def order(folder: Path, key: str = "unruly", *, users: int = 30, budget: Budget | None = None, **config) -> Order:
    limits = budget or Budget(seconds=30, memory=1_000_000_000)
    return Order(key=key, source=walks(folder, users), config=config, seed=1, budget=limits)


def unheard(share: float, step: str) -> None:
    """Nobody listens."""


@pytest.mark.django_db
def test_a_version_is_trained_elsewhere_registered_and_current_if_it_is_the_first(tmp_path, home):
    seen: list[str] = []
    trained = train_apart(order(tmp_path, "recent-popularity"), lambda share, step: seen.append(step), created_by="eve")
    row = StrategyVersion.objects.get()
    assert (row.version, row.created_by, row.manifest["seed"]) == (trained.version, "eve", 1)
    assert trained.current
    assert "reading the data" in seen
    load(artefact_root() / "recent-popularity" / trained.version)
    assert not list((home / "checkpoints").glob("*"))
    second = train_apart(order(tmp_path, "recent-popularity", half_life_days=3.0), unheard)
    assert not second.current
    assert Strategy.objects.get().current == row


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process at its memory")
@pytest.mark.django_db
def test_a_strategy_that_takes_more_memory_than_its_budget_is_refused_it(tmp_path, home):
    with pytest.raises(TrainingRefused, match=r"memory: unruly needs more than its budget of 0\.5 GB"):
        train_apart(order(tmp_path, does="takes memory", budget=Budget(seconds=30, memory=500_000_000)), unheard)
    assert not StrategyVersion.objects.exists()


def test_a_strategy_that_takes_no_notice_of_the_time_is_ended(tmp_path, home, monkeypatch):
    monkeypatch.setattr(training_process, "GRACE", 0.5)
    with pytest.raises(TrainingRefused, match=r"seconds: unruly was still training after 1 s with a budget of 0\.1 s"):
        train_apart(order(tmp_path, does="takes time", budget=Budget(seconds=0.1)), unheard)
    assert not children(os.getpid(), "winnow.jobs.trainer")


@pytest.mark.parametrize(
    ("does", "words"), [("raises", "RuntimeError: the strategy's own mistake"), ("dies", "ended by SIGSEGV")]
)
def test_a_strategy_that_breaks_takes_nothing_with_it(tmp_path, home, does, words):
    with pytest.raises(TrainingFailed, match=words):
        train_apart(order(tmp_path, does=does), unheard)


@pytest.mark.skipif(sys.platform != "linux", reason="counts the threads of Linux")
@pytest.mark.django_db
def test_the_budget_says_how_many_threads_there_are_and_what_is_printed_is_no_answer(tmp_path, home, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    one = train_apart(order(tmp_path), unheard).manifest.report["notes"]["threads"]
    budget = Budget(seconds=30, memory=1_000_000_000, threads=2)
    two = train_apart(order(tmp_path, budget=budget, does="nothing else"), unheard).manifest.report["notes"]["threads"]
    assert two == one + 1


@pytest.fixture
def sent(monkeypatch) -> list[str]:
    """The ids of the jobs that a worker was told of."""
    ids: list[str] = []
    monkeypatch.setattr(app, "send_task", lambda name, args, retry: ids.append(args[0]))
    return ids


@pytest.mark.django_db(transaction=True)
def test_a_request_opens_one_job_that_a_worker_is_told_of(sent):
    job = request_training("item-knn", data="lake", config={"decay": 0.5}, seed=3, requested_by="eve")
    assert (job.state, job.subject, job.requested_by, sent) == (State.QUEUED, "item-knn", "eve", [str(job.pk)])
    assert (job.parameters["data"], job.parameters["config"], job.parameters["seed"]) == ("lake", {"decay": 0.5}, 3)
    assert request_training("item-knn", data="lake", config={"decay": 0.5}, seed=3).pk == job.pk
    with pytest.raises(TrainingRefused, match="item-knn is being trained already in another way"):
        request_training("item-knn", data="lake", seed=4)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"key": "nope"}, UnknownStrategy, "there is no strategy 'nope'"),
        ({"data": "/etc/passwd"}, InvalidData, "data: '/etc/passwd' must be one of lake, complete-journey"),
        ({"until": "soon"}, InvalidData, "until: 'soon' must be a date"),
        ({"config": {"speed": 1}}, InvalidConfig, "speed: is no field"),
        ({"config": {"decay": "fast"}}, InvalidConfig, "decay: 'fast' must be a number"),
        ({"config": {"decay": True}}, InvalidConfig, "decay: True must be a number"),
        ({"config": {"decay": 3}}, InvalidConfig, "decay: 3"),
        ({"seed": -1}, InvalidData, "seed: -1 must be 0 to"),
        ({"budget": Budget(seconds=0)}, InvalidData, "seconds: 0 must be above 0"),
        ({"budget": Budget(seconds=1e9)}, InvalidData, r"seconds: 1e\+09 must be above 0 and at most 3600"),
        ({"budget": Budget(memory=5)}, InvalidData, "memory: 5 bytes must be at least"),
        ({"budget": Budget(threads=10_000)}, InvalidData, "threads: 10000 must be 1 to"),
    ],
)
@pytest.mark.django_db
def test_what_cannot_be_trained_is_refused_before_a_job_is_opened(changes, error, words):
    with pytest.raises(error, match=words):
        request_training(**{"key": "item-knn", "data": "lake"} | changes)
    assert not Job.objects.exists()


PREPARE = """
from winnow.events.ingest import ingest
events = [
    {"event": "Product Viewed", "messageId": f"{user}-{step}", "userId": f"u{user}",
     "timestamp": f"2026-05-01T00:{step:02}:00Z", "properties": {"item_id": f"i{(user * 7 + step) % 40}"}}
    for user in range(400) for step in range(12)
]
for start in range(0, len(events), 500):
    ingest(events[start : start + 500])
print("null")
"""
CONFIG = {"passes": 40, "width": 16, "batch": 512, "negatives": 32}
REQUEST = f"""
from recommenders.contracts import Budget
from winnow.jobs.training import request_training
budget = Budget(seconds=60)
job = request_training("sequence", data="lake", config={CONFIG}, seed=1, budget=budget, requested_by="eve")
print(json.dumps(str(job.pk)))
"""
LOOK = """
from winnow.jobs.models import Job
from recommenders.models import StrategyVersion
job = Job.objects.get(kind="train")
notes = [row.manifest["report"]["notes"] for row in StrategyVersion.objects.all()]
print(json.dumps([job.state, job.attempts, job.error, job.parameters.get("version"), notes]))
"""


def ask(installation: Installation, code: str) -> list:
    return json.loads(installation.python("import json\n" + code))


@pytest.mark.slow
@pytest.mark.broker
@pytest.mark.sqlite
def test_a_killed_workers_training_is_continued_by_the_next_one(tmp_path):
    pytest.importorskip("torch")
    with running(tmp_path / "home") as installation:
        ask(installation, PREPARE)
        ask(installation, REQUEST)
        place = wait_for(lambda: list(installation.home.glob("checkpoints/*/place.npz")), seconds=60)
        worker = installation.child("celery -A winnow worker")
        (trainer,) = [found for pool in children(worker) for found in children(pool, "winnow.jobs.trainer")]
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: not alive(trainer), seconds=10)
        state, attempts, error, version, notes = wait_for(
            lambda: (seen := ask(installation, LOOK))[0] in ("done", "failed") and seen, seconds=90
        )
        assert (state, attempts, error) == ("done", 2, "")
        assert notes[0]["continued_from_step"] > 0
        assert notes[0]["lake_version"] > 0
        assert not place[0].exists()
        assignments = [word for name, value in CONFIG.items() for word in ("--set", f"{name}={value}")]
        again = installation.command(
            "train", "sequence", "--data", "lake", *assignments, "--seed", "1", "--seconds", "60"
        )
        assert again.startswith(f"sequence@{version}:")
