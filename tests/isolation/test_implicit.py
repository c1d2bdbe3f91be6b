"""Alternating least squares of implicit on numpy 1, which Winnow does not run on, keep the contract of a strategy."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from recommenders.contracts import Budget
from recommenders.data.sequences import load_sequences
from recommenders.offline.evaluation import evaluate
from recommenders.strategies.remote import Remote, RemoteConfig
from recommenders.testing import StrategyContract
from tests.isolation import environment
from tests.recommenders import scorer_process

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "strategies" / "isolation.md"


@pytest.fixture(scope="module")
def als():
    with scorer_process.running("als:Als", python=environment.python(), folder=FOLDER) as scorer:
        yield scorer


@pytest.mark.slow
class TestAls(StrategyContract):
    strategy = Remote

    @pytest.fixture(autouse=True)
    def _served(self, als):
        type(self).config = RemoteConfig(url=als.url, model="als:Als", settings={"factors": 16})


@pytest.mark.slow
def test_its_environment_is_one_in_which_winnow_does_not_run(als) -> None:
    command = [als.python, "-c", "import numpy, implicit; print(numpy.__version__); import recommenders"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=FOLDER)
    assert done.stdout.startswith("1.26")
    assert int(np.__version__.split(".")[0]) >= 2
    assert "No module named 'recommenders'" in done.stderr


def test_the_page_shows_the_model_that_is_tested() -> None:
    assert (FOLDER / "als.py").read_text() in PAGE.read_text()


@pytest.mark.slow
@pytest.mark.real_data
def test_it_finds_on_amazon_beauty_what_was_published_for_it(als) -> None:
    path = Path(os.environ["WINNOW_TEST_DATA"]) / "amazon_beauty.txt.gz"
    strategy = Remote(RemoteConfig(url=als.url, model="als:Als"))
    report = evaluate((strategy,), load_sequences(path), new_only=True, budget=Budget(seconds=120))
    print(report)
