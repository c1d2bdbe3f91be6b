"""``winnow strategies``, ``train`` and ``evaluate``."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from recommenders.artefacts import load
from recommenders.models import OfflineEvaluation, Strategy, StrategyVersion
from recommenders.registry import places
from winnow.cli import main
from winnow.jobs.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def sequences(tmp_path, settings):
    settings.HOME = tmp_path / "home"
    path = tmp_path / "sequences.txt"
    lines = (f"u{user} {' '.join(f'i{(user % 4) * 5 + step}' for step in range(5))}" for user in range(60))
    path.write_text("\n".join(lines))
    return path


def run(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_list_names_every_strategy_and_its_configuration():
    listed = run("strategies")
    assert listed.exit_code == 0, listed.output
    assert {line.split()[0] for line in listed.stdout.splitlines() if not line.startswith(" ")} == set(places())
    assert "half_life_days = 14.0" in listed.stdout


def test_a_trained_version_is_stored_registered_and_listed(sequences, settings):
    done = run("train", "recent-popularity", "--data", sequences, "--set", "half_life_days=null", "--seed", 3)
    assert done.exit_code == 0, done.output
    row = StrategyVersion.objects.get()
    strategy, _, manifest = load(settings.HOME / "artefacts" / "recent-popularity" / row.version)
    assert (strategy.config.half_life_days, manifest.seed) == (None, 3)
    assert "with seed 3" in row.origin
    assert f"versions: {row.version} (current)" in run("strategies").stdout
    again = run("train", "recent-popularity", "--data", sequences, "--set", "half_life_days=null", "--seed", 3)
    assert again.exit_code == 0
    assert StrategyVersion.objects.count() == 1


def test_going_back_is_one_command(sequences):
    for half_life in (1, 2):
        done = run(
            "train", "recent-popularity", "--data", sequences, "--set", f"half_life_days={half_life}", "--current"
        )
        assert done.exit_code == 0, done.output
    old, new = StrategyVersion.objects.order_by("id")
    assert Strategy.objects.get().current == new
    done = run("strategies", "use", "recent-popularity", old.version)
    assert done.stdout == f"recent-popularity@{old.version} is the current version\n"
    assert Strategy.objects.get().current == old
    refused = run("strategies", "use", "recent-popularity", "x")
    assert (refused.exit_code, "has no version 'x'" in refused.output) == (1, True)


def test_a_worker_trains_what_is_left_to_it():
    done = run("train", "item-knn", "--data", "lake", "--background", "--set", "decay=0.5", "--threads", 1)
    assert done.exit_code == 0, done.output
    job = Job.objects.get()
    assert str(job.pk) in done.stdout
    assert (job.subject, job.parameters["config"], job.parameters["data"]) == ("item-knn", {"decay": 0.5}, "lake")


def test_an_offline_evaluation_has_the_controls_beside_the_candidate(sequences):
    done = run("evaluate", "item-knn", "--data", sequences, "--k", 5, "--format", "json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert {"item-knn", "recent-popularity", "user-frequency"} <= {one["label"] for one in report["strategies"]}
    assert report["evaluated"] == 60
    kept = OfflineEvaluation.objects.get()
    assert (kept.report, kept.keys, kept.data) == (report, ["item-knn"], sequences.name)
    assert run("evaluate", "item-knn", "--data", sequences, "--no-store").exit_code == 0
    assert OfflineEvaluation.objects.count() == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "nope", "--data", "{}"), "there is no strategy 'nope'"),
        (("train", "recent-popularity", "--data", "{}", "--set", "half_life_days"), "must be FIELD=VALUE"),
        (("train", "recent-popularity", "--data", "{}", "--set", "half_life_days=0"), "half_life_days"),
        (("train", "recent-popularity", "--data", "nowhere.csv"), "nowhere.csv"),
        (("train", "recent-popularity", "--data", "{}", "--threads", "0"), "threads: 0 must be"),
        (("train", "recent-popularity", "--data", "{}", "--background"), "a worker reads lake or complete-journey"),
        (("evaluate", "random", "--data", "{}", "--k", "0"), "k"),
    ],
)
def test_a_mistake_is_one_sentence(sequences, arguments, words):
    done = run(*(argument.format(sequences) for argument in arguments))
    assert done.exit_code == 1
    assert words in done.output
    assert "Traceback" not in done.output
