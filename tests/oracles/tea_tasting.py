"""What tea-tasting says about seeded data: writes tea_tasting.json, which the tests compare with our results.

It is not installed with Winnow. To write the values again:

    python -m venv .cache/peers/tea-tasting
    .cache/peers/tea-tasting/bin/pip install "tea-tasting==1.14.0" "ibis-framework[duckdb]==12.0.0"
    .cache/peers/tea-tasting/bin/python -m tests.oracles.tea_tasting
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt

SEED = 20
N = 4_000
RESULTS = Path(__file__).with_suffix(".json")

Columns = dict[str, npt.NDArray[np.float64]]


def users(seed: int = SEED, n: int = N) -> Columns:
    """Users of a shop, from uniform numbers only, which every version of numpy makes alike. ``arm`` is 0 or 1."""
    rng = np.random.default_rng(seed)
    u = rng.random((8, n))
    arm = (u[0] < 0.4) * 1.0
    habit = -np.log(1 - u[1])
    views_before = 1 + np.floor(12 * u[2])
    views = 1 + np.floor(12 * u[3])
    revenue_before = np.round(30 * habit * u[4], 2)
    return {
        "arm": arm,
        "views": views,
        "views_before": views_before,
        "clicks": np.floor(views * (1 + arm / 10) * (1 - np.exp(-habit / 2)) * u[5]),
        "clicks_before": np.floor(views_before * (1 - np.exp(-habit / 2)) * u[6]),
        "converted": (u[7] < 0.1 + 0.03 * arm) * 1.0,
        "revenue_before": revenue_before,
        "revenue": np.round(0.7 * revenue_before + (10 + arm) * habit * u[5], 2),
    }


def main() -> None:
    """Analyse the users in every way that is compared."""
    import pyarrow as pa
    import tea_tasting as tt

    ratio = ("clicks", "views", "clicks_before", "views_before")
    metrics = {
        "revenue": tt.Mean("revenue"),
        "converted": tt.Mean("converted"),
        "ctr": tt.RatioOfMeans("clicks", "views"),
        "revenue, pooled variance": tt.Mean("revenue", equal_var=True),
        "revenue, normal": tt.Mean("revenue", use_t=False),
        "revenue, CUPED": tt.Mean("revenue", "revenue_before"),
        "converted, CUPED": tt.Mean("converted", "revenue_before"),
        "ctr, CUPED": tt.RatioOfMeans(*ratio),
    }
    found = tt.Experiment(metrics, variant="arm").analyze(pa.table(users()), control=0)
    results = {name: {key: float(value) for key, value in found[name]._asdict().items()} for name in metrics}
    versions = {name: version(name) for name in ("tea-tasting", "numpy", "scipy")}
    RESULTS.write_text(json.dumps({"versions": versions, "seed": SEED, "n": N, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
