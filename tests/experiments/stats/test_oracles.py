"""Against what other tools say about the same data: equal where the convention is, and both numbers where it is not."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from experiments.contracts import Comparison, Kind
from experiments.stats.adjustment import adjust
from experiments.stats.comparison import compare, compare_estimates
from experiments.stats.moments import Moments
from tests.oracles import tea_tasting

TEA_TASTING = json.loads(tea_tasting.RESULTS.read_text())["results"]
CLOSE = 1e-9


def arms(*names: str) -> dict[str, Moments]:
    """The moments of some columns, control and treatment."""
    columns = tea_tasting.users()
    return {
        arm: Moments.from_arrays(*(columns[name][columns["arm"] == code] for name in names))
        for arm, code in (("c", 0), ("t", 1))
    }


def compared(by_arm: dict[str, Moments], kind: Kind) -> Comparison:
    return compare(by_arm["c"], by_arm["t"], kind=kind, alpha=0.05, control_name="c", arm="t")


def adjusted(by_arm: dict[str, Moments], kind: Kind) -> Comparison:
    return compare_estimates(*adjust(by_arm, kind).pair("c", "t"), alpha=0.05, control_name="c", arm="t")


PLAIN = {
    "revenue": (("revenue",), Kind.MEAN),
    "converted": (("converted",), Kind.PROPORTION),
    "ctr": (("clicks", "views"), Kind.RATIO),
}


@pytest.mark.parametrize("metric", PLAIN)
def test_means_shares_and_ratios_are_those_of_tea_tasting(metric):
    columns, kind = PLAIN[metric]
    theirs, ours = TEA_TASTING[metric], compared(arms(*columns), kind)
    assert ours.effect == pytest.approx(theirs["effect_size"], rel=CLOSE)
    assert ours.effect / ours.se == pytest.approx(theirs["statistic"], rel=CLOSE)
    assert ours.p_value == pytest.approx(theirs["pvalue"], rel=CLOSE)
    assert ours.ci_low == pytest.approx(theirs["effect_size_ci_lower"], rel=CLOSE)
    assert ours.ci_high == pytest.approx(theirs["effect_size_ci_upper"], rel=CLOSE)
    assert ours.rel_effect == pytest.approx(theirs["rel_effect_size"], rel=CLOSE)


def test_the_relative_interval_is_fiellers_and_theirs_is_the_delta_methods_on_a_logarithm():
    theirs = TEA_TASTING["ctr"]
    by_arm = arms("clicks", "views")
    ours = compared(by_arm, Kind.RATIO)
    both = (theirs["rel_effect_size_ci_lower"], theirs["rel_effect_size_ci_upper"], ours.rel_ci_low, ours.rel_ci_high)
    assert both == pytest.approx((0.035346, 0.269748, 0.034259, 0.268995), abs=1e-6)
    # theirs from our moments: means_t / means_c · exp(± t · √(cv_t² / n_t + cv_c² / n_c))
    parts = [(moments.mean[0] / moments.mean[1], _linearised(moments)) for moments in by_arm.values()]
    shares = [var / mean**2 / moments.n for (mean, var), moments in zip(parts, by_arm.values(), strict=True)]
    df = sum(shares) ** 2 / sum(one**2 / (moments.n - 1) for one, moments in zip(shares, by_arm.values(), strict=True))
    factor = math.exp(stats.t.ppf(0.975, df) * math.sqrt(sum(shares)))
    lift = parts[1][0] / parts[0][0]
    assert (lift / factor - 1, lift * factor - 1) == pytest.approx(both[:2], rel=CLOSE)


def _linearised(moments: Moments) -> float:
    weights = np.array([1.0, -moments.mean[0] / moments.mean[1]]) / moments.mean[1]
    return float(weights @ np.array(moments.comoment) @ weights) / (moments.n - 1)


def test_variances_are_those_of_each_arm_and_never_pooled():
    theirs, ours = TEA_TASTING["revenue, pooled variance"], compared(arms("revenue"), Kind.MEAN)
    assert theirs["effect_size"] == pytest.approx(ours.effect, rel=CLOSE)
    assert (theirs["statistic"], ours.effect / ours.se) == pytest.approx((1.331320, 1.329267), abs=1e-6)


def test_the_distribution_is_students_and_never_normal():
    theirs, ours = TEA_TASTING["revenue, normal"], compared(arms("revenue"), Kind.MEAN)
    assert theirs["statistic"] == pytest.approx(ours.effect / ours.se, rel=CLOSE)
    assert (theirs["pvalue"], ours.p_value) == pytest.approx((0.183760, 0.183847), abs=1e-6)


CUPED = {
    "revenue, CUPED": (("revenue", "revenue_before"), Kind.MEAN, 0.004, 0.001),
    "converted, CUPED": (("converted", "revenue_before"), Kind.PROPORTION, 0.001, 0.001),
    "ctr, CUPED": (("clicks", "views", "clicks_before", "views_before"), Kind.RATIO, 0.02, 0.002),
}


@pytest.mark.parametrize("metric", CUPED)
def test_adjustment_has_a_slope_in_each_arm_and_theirs_one_around_the_grand_mean(metric):
    columns, kind, effect, se = CUPED[metric]
    by_arm = arms(*columns)
    theirs, ours = TEA_TASTING[metric], adjusted(by_arm, kind)
    rebuilt_effect, rebuilt_se = _one_slope(by_arm, kind)
    assert theirs["effect_size"] == pytest.approx(rebuilt_effect, rel=CLOSE)
    assert theirs["effect_size"] / theirs["statistic"] == pytest.approx(rebuilt_se, rel=CLOSE)
    assert ours.effect == pytest.approx(theirs["effect_size"], rel=effect)
    assert ours.se == pytest.approx(rebuilt_se, rel=se)
    assert ours.effect != pytest.approx(theirs["effect_size"], rel=CLOSE)


def _one_slope(by_arm: dict[str, Moments], kind: Kind) -> tuple[float, float]:
    """Their convention from our moments: θ = cov(y, x) / var(x) over all units; of a ratio, y and x are linearised."""
    everyone = by_arm["c"].merge(by_arm["t"])
    theta = _covariance(everyone, kind, "yx") / _covariance(everyone, kind, "xx")
    values, variances = [], []
    for moments in by_arm.values():
        y, x = _values(moments, kind)
        values.append(y - theta * x)
        parts = (_covariance(moments, kind, "yy"), _covariance(moments, kind, "xx"), _covariance(moments, kind, "yx"))
        variances.append((parts[0] + theta**2 * parts[1] - 2 * theta * parts[2]) / moments.n)
    return values[1] - values[0], math.sqrt(sum(variances))


def _values(moments: Moments, kind: Kind) -> tuple[float, float]:
    if kind is not Kind.RATIO:
        return moments.mean[0], moments.mean[1]
    return moments.mean[0] / moments.mean[1], moments.mean[2] / moments.mean[3]


def _covariance(moments: Moments, kind: Kind, of: str) -> float:
    weights = {name: np.array(_weights(moments, kind, name)) for name in "yx"}
    return float(weights[of[0]] @ np.array(moments.comoment) @ weights[of[1]]) / (moments.n - 1)


def _weights(moments: Moments, kind: Kind, name: str) -> Sequence[float]:
    """How y or x is made of the columns, each minus its mean."""
    if kind is not Kind.RATIO:
        return (1.0, 0.0) if name == "y" else (0.0, 1.0)
    first = 0 if name == "y" else 2
    numerator, denominator = moments.mean[first : first + 2]
    pair = (1 / denominator, -numerator / denominator**2)
    return (*pair, 0.0, 0.0) if name == "y" else (0.0, 0.0, *pair)
