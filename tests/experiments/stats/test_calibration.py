"""The A/A self-check: what it measures, what it catches, and when it has nothing to say."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.contracts import Calibration, Kind, Reason
from experiments.errors import InvalidInput
from experiments.stats import calibration
from experiments.stats.calibration import Method, Runs, assess, binomial_band, calibrate, uniformity
from experiments.stats.comparison import compare
from experiments.stats.estimate import Estimate
from experiments.stats.moments import Moments


def units(seed: int = 1, n: int = 3_000) -> dict[str, np.ndarray]:
    """Views, clicks, spend and earlier spend of users who differ."""
    rng = np.random.default_rng(seed)
    views = rng.geometric(1 / 13, n)
    taste = rng.gamma(2, 1, n)
    return {
        "views": views.astype(float),
        "clicks": rng.binomial(views, rng.beta(2, 38, n)).astype(float),
        "spend": taste * 10 + rng.gamma(2, 5, n),
        "before": taste * 10 + rng.gamma(2, 5, n),
        "bought": (rng.random(n) < 0.2).astype(float),
    }


USERS = units()
CASES = {
    "mean": (Kind.MEAN, ("spend",), Method.PLAIN),
    "proportion": (Kind.PROPORTION, ("bought",), Method.PLAIN),
    "ratio": (Kind.RATIO, ("clicks", "views"), Method.PLAIN),
    "adjusted mean": (Kind.MEAN, ("spend", "before"), Method.ADJUSTED),
    "adjusted ratio": (Kind.RATIO, ("clicks", "views", "before"), Method.ADJUSTED),
}


def check(kind: Kind = Kind.MEAN, columns: object = None, *, seed: int = 7, **options: object) -> Calibration:
    data = np.array([USERS["spend"]] if columns is None else columns, dtype=np.float64)
    options = {"method": "plain", "runs": 1_000, **options}
    return calibrate("metric", kind, data, rng=np.random.default_rng(seed), **options)


@pytest.mark.parametrize("case", CASES)
def test_every_method_passes_on_ordinary_units(case: str) -> None:
    kind, names, method = CASES[case]
    result = check(kind, [USERS[name] for name in names], method=method)
    assert (result.metric, result.method, result.runs, result.units) == ("metric", method, 1_000, 3_000)
    assert 0.033 <= result.false_positives <= 0.069
    assert 0.931 <= result.coverage <= 0.967
    assert result.uniformity_p >= 0.01
    assert result.passed
    assert result.reasons == ()


def test_the_runs_are_welch_tests_of_random_halves() -> None:
    spend = USERS["spend"]
    splits = list(calibration._splits(spend[None, :], 50, 0.5, np.random.default_rng(3)))
    draws = np.random.default_rng(3).random((50, spend.size), dtype=np.float32)
    for (control, left_alone, moved), draw in zip(splits, draws, strict=True):
        ours = compare(control, left_alone.merge(moved), kind=Kind.MEAN, alpha=0.05, control_name="c", arm="t")
        scipys = stats.ttest_ind(spend[draw < 0.5], spend[draw >= 0.5], equal_var=False)
        assert ours.p_value == pytest.approx(scipys.pvalue, rel=1e-9)
        assert moved.n == int((draw < 0.25).sum())


def test_the_sums_of_a_split_are_its_moments_also_a_billion_away_from_0() -> None:
    data = np.stack([1e9 + USERS["spend"], USERS["views"], USERS["before"] - 1e6])
    (control, *_), *_ = calibration._splits(data, 1, 0.3, np.random.default_rng(5))
    draws = np.random.default_rng(5).random((1, data.shape[1]), dtype=np.float32)[0]
    direct = Moments.from_arrays(*data[:, draws >= np.float32(0.3)])
    assert control.n == direct.n
    assert control.mean == pytest.approx(direct.mean, rel=1e-14)
    assert np.array(control.comoment) == pytest.approx(np.array(direct.comoment), rel=1e-6)


def test_the_share_of_treatment_may_be_small() -> None:
    result = check(share=0.1)
    assert result.passed
    splits = calibration._splits(USERS["spend"][None, :], 20, 0.1, np.random.default_rng(3))
    assert np.mean([left_alone.n + moved.n for _, left_alone, moved in splits]) == pytest.approx(300, rel=0.1)


def test_values_of_half_of_the_treatment_grow_by_twice_the_lift() -> None:
    moments = Moments.from_arrays(USERS["clicks"], USERS["views"], USERS["before"])
    direct = Moments.from_arrays(1.4 * USERS["clicks"], USERS["views"], USERS["before"])
    scaled = calibration._scaled(moments, 1.4)
    assert scaled.mean == pytest.approx(direct.mean, rel=1e-12)
    assert np.array(scaled.comoment) == pytest.approx(np.array(direct.comoment), rel=1e-9)


def test_the_same_generator_gives_the_same_result_and_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    first = check()
    assert check() == first
    assert check(seed=8) != first
    monkeypatch.setattr(calibration, "CELLS", 7 * 3_000)
    blocks = check()  # the order in which a product is summed may change the last digits of a p-value
    assert blocks.uniformity_p == pytest.approx(first.uniformity_p, rel=1e-9)
    assert replace(blocks, uniformity_p=first.uniformity_p) == first


def test_covariates_are_ignored_by_methods_that_do_not_adjust() -> None:
    alone = check()
    beside = check(columns=[USERS["spend"], USERS["before"]])
    assert beside == alone


def test_progress_counts_the_runs() -> None:
    seen: list[tuple[int, int]] = []
    check(runs=10, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(run, 10) for run in range(1, 11)]


def test_a_standard_error_that_is_far_too_small_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = compare

    def boast(control: Moments, treatment: Moments, **options: object) -> object:
        shrunk = (
            replace(one, comoment=tuple(tuple(0.6 * value for value in row) for row in one.comoment))
            for one in (control, treatment)
        )
        return honest(*shrunk, **options)

    monkeypatch.setattr(calibration, "compare", boast)
    result = check()
    assert not result.passed
    assert result.reasons == ()
    assert result.false_positives > 0.08
    assert result.coverage < 0.92
    assert result.uniformity_p < 0.01


def test_clicks_taken_for_independent_impressions_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def naive(moments: Moments, kind: Kind) -> Estimate:
        rate = moments.mean[0] / moments.mean[1]
        return Estimate(n=moments.n, mean=rate, var=rate * (1 - rate) / moments.mean[1])

    monkeypatch.setattr("experiments.stats.comparison.estimate", naive)
    result = check(Kind.RATIO, [USERS["clicks"], USERS["views"]])
    assert not result.passed
    assert result.false_positives > 0.08


def test_spend_with_a_few_huge_buyers_fails_and_passes_once_it_is_capped() -> None:
    spend = np.exp(np.random.default_rng(2).normal(0, 2.5, 3_000))
    raw = check(columns=[spend])
    assert not raw.passed
    assert raw.uniformity_p < 0.01
    assert raw.reasons == ()
    capped = check(columns=[np.minimum(spend, np.quantile(spend, 0.99))], method="capped")
    assert capped.method == "capped"
    assert capped.passed


@pytest.mark.real_data
def test_one_player_of_cookie_cats_takes_the_badge_away_until_rounds_are_capped(real_data: Path) -> None:
    rounds = pd.read_csv(real_data / "cookie_cats.csv.gz")["sum_gamerounds"].to_numpy(dtype=np.float64)
    raw = check(columns=[rounds])
    assert raw.units == 90_189
    assert not raw.passed
    assert raw.false_positives < 0.033
    capped = check(columns=[np.minimum(rounds, np.quantile(rounds[rounds > 0], 0.999))], method="capped")
    assert capped.passed


def test_the_badge_needs_all_three_figures() -> None:
    even = (np.arange(1_000) + 0.5) / 1_000
    right = Runs(p_values=even, covered=np.r_[np.zeros(50), np.ones(950)])
    assert judge(right).passed
    assert not judge(replace(right, covered=np.r_[np.zeros(70), np.ones(930)])).passed
    assert not judge(replace(right, covered=np.r_[np.zeros(32), np.ones(968)])).passed
    bunched = np.r_[even[:50], np.full(950, 0.5)]
    assert (judge(replace(right, p_values=bunched)).false_positives, judge(right).false_positives) == (0.05, 0.05)
    assert not judge(replace(right, p_values=bunched)).passed
    assert not judge(replace(right, p_values=np.r_[np.full(70, 0.05), even[70:]])).passed


def judge(measured: Runs) -> Calibration:
    return assess("metric", "plain", measured, units=500, alpha=0.05)


@pytest.mark.parametrize("name", ["p_values", "covered"])
def test_a_run_that_cannot_answer_takes_the_badge_away_with_a_reason(name: str) -> None:
    even = (np.arange(1_000) + 0.5) / 1_000
    runs = replace(Runs(p_values=even, covered=np.ones(1_000)), **{name: np.r_[math.nan, even[1:]]})
    result = judge(runs)
    assert result.reasons == ((Reason.TOO_FEW_UNITS,) if name == "p_values" else (Reason.ZERO_BASELINE,))
    assert math.isnan(result.false_positives)
    assert not result.passed


UNANSWERABLE = {
    "no units": (Kind.MEAN, np.empty((1, 0)), Reason.NO_UNITS),
    "one unit": (Kind.MEAN, [[3.0]], Reason.TOO_FEW_UNITS),
    "few units": (Kind.MEAN, [np.arange(150.0)], Reason.TOO_FEW_UNITS),
    "few conversions": (Kind.PROPORTION, [np.r_[np.ones(150), np.zeros(50_000)]], Reason.TOO_FEW_UNITS),
    "all equal": (Kind.MEAN, [np.full(1_000, 0.1)], Reason.NO_VARIANCE),
    "one ratio": (Kind.RATIO, [np.arange(1_000.0), 2 * np.arange(1_000.0)], Reason.NO_VARIANCE),
    "no views": (Kind.RATIO, [np.arange(1_000.0), np.zeros(1_000)], Reason.NO_DENOMINATOR),
    "nothing left": (Kind.MEAN, [np.r_[np.full(500, 3.0), np.full(500, -3.0)]], Reason.ZERO_BASELINE),
    "a hole": (Kind.MEAN, [np.r_[math.nan, np.arange(1_000.0)]], Reason.MISSING),
    "an infinite covariate": (Kind.MEAN, [np.arange(1_000.0), np.full(1_000, math.inf)], Reason.MISSING),
}


@pytest.mark.parametrize("case", UNANSWERABLE)
def test_units_that_cannot_answer_give_a_reason_and_no_badge(case: str) -> None:
    kind, columns, reason = UNANSWERABLE[case]
    result = check(kind, columns)
    assert result.reasons == (reason,)
    assert not result.passed
    assert all(math.isnan(one) for one in (result.false_positives, result.coverage, result.uniformity_p))


def test_a_covariate_that_never_varies_changes_nothing() -> None:
    adjusted = check(columns=[USERS["spend"], np.full(3_000, 4.0)], method="adjusted")
    plain = check()
    assert (adjusted.false_positives, adjusted.coverage) == (plain.false_positives, plain.coverage)
    assert adjusted.uniformity_p == pytest.approx(plain.uniformity_p, rel=1e-9)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"method": "bootstrap"}, "method"),
        ({"method": "adjusted"}, "columns"),
        ({"columns": [1.0, 2.0]}, "columns"),
        ({"kind": Kind.RATIO}, "columns"),
        ({"kind": Kind.QUANTILE}, "columns"),
        ({"runs": 0}, "runs"),
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": math.nan}, "alpha"),
        ({"share": 1.0}, "share"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(options: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        check(**options)
    assert raised.value.field == field


@given(st.integers(0, 2**32 - 1), st.integers(50, 3_000), st.floats(0.5, 2.0))
def test_uniformity_is_the_test_of_kolmogorov_and_smirnov(seed: int, n: int, power: float) -> None:
    p_values = np.random.default_rng(seed).random(n) ** power
    assert uniformity(p_values) == pytest.approx(stats.kstest(p_values, "uniform").pvalue, rel=0.2, abs=0.003)


@given(st.integers(1, 5_000), st.floats(0.001, 0.5), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_band_is_the_central_part_of_the_binomial(runs: int, rate: float, share: float) -> None:
    low, high = binomial_band(runs, rate, share)
    assert (low, high) == stats.binom.interval(share, runs, rate)


@given(st.integers(0, 1_000))
def test_scaling_the_values_changes_no_figure(seed: int) -> None:
    data = USERS["spend"][None, :500]
    one, other = check(columns=data, seed=seed, runs=40), check(columns=1024.0 * data, seed=seed, runs=40)
    assert one == other
