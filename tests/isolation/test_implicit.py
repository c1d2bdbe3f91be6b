"""Alternating least squares of implicit on numpy 1, which Winnow does not run on, keep the contract of a strategy."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from recommenders.contracts import Budget
from recommenders.data.sequences import load_sequences
from recommenders.offline.splits import leave_last_out
from recommenders.ranking import top_k
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
def test_it_finds_on_amazon_beauty_what_is_known_of_it(als, real_data) -> None:
    """NDCG@10 of implicit's own lists with the same settings is .0248; a sample of the users here."""
    split = leave_last_out(load_sequences(real_data / "amazon_beauty.txt.gz"))
    strategy = Remote(RemoteConfig(url=als.url, model="als:Als"))
    strategy.fit(split.train, seed=0, budget=Budget(seconds=120))
    gains = []
    for begin in range(0, split.users.size, 4_096):
        batch = split.batch(begin, begin + 1_024)
        found = top_k(strategy.score(batch), 10, excluded=(batch.rows, batch.items)).items
        hits = found == split.test.items[begin : begin + 1_024, None]
        gains.append((hits / np.log2(np.arange(10) + 2)).sum(axis=1))
    assert 0.020 < np.concatenate(gains).mean() < 0.030
