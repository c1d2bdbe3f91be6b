import math
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from experiments.contracts import Comparison, Reason, Superiority
from experiments.errors import InvalidInput
from experiments.stats.comparison import compare_estimates
from experiments.stats.counts import Counts
from experiments.stats.estimate import Estimate
from experiments.stats.moments import Moments
from experiments.stats.ranks import superiority, weighted_by_profile

SCORES = st.lists(st.integers(1, 5).map(float), min_size=2, max_size=40)


def beats(control: Counts | list[float] | np.ndarray, treatment: Counts | list[float] | np.ndarray) -> Superiority:
    return superiority(control, treatment, alpha=0.05, arm="treatment")


def compared(control: Estimate, treatment: Estimate) -> Comparison:
    return compare_estimates(control, treatment, alpha=0.05, control_name="control", arm="treatment")


def some_scores(seed: int, n: int, lift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(np.round(rng.normal(3.5 + lift, 1.2, n)), 1, 5)


def test_small_arms_by_hand() -> None:
    # of (1, 1), (1, 2), (2, 1), (2, 2): one lower, one higher, two ties
    assert beats([1.0, 2.0], [1.0, 2.0]).probability == 0.5
    # of the pairs with control 1 and 2, treatment 2 and 3: three higher, one tie
    result = beats([1.0, 2.0], [2.0, 3.0])
    assert (result.arm, result.probability) == ("treatment", 0.875)
    # places of treatment in control .75 and 1, of control in treatment 0 and .25: variances of 1/32 each
    assert result.se == pytest.approx(math.sqrt(1 / 32), rel=1e-12)
    assert result.df == pytest.approx(2, rel=1e-12)
    assert (result.ci_low, result.ci_high) == (pytest.approx(0.875 - 4.302653 * math.sqrt(1 / 32), rel=1e-6), 1)


@pytest.mark.parametrize("seed", range(6))
def test_the_test_agrees_with_scipy(seed: int) -> None:
    control, treatment = some_scores(seed, 120), some_scores(seed + 100, 75, lift=0.1 * seed)
    ours = beats(control, treatment)
    scipys = stats.brunnermunzel(control, treatment)
    assert (ours.probability - 0.5) / ours.se == pytest.approx(scipys.statistic, rel=1e-9)
    assert ours.p_value == pytest.approx(scipys.pvalue, rel=1e-9)
    u = stats.mannwhitneyu(treatment, control).statistic
    assert ours.probability == pytest.approx(u / (120 * 75), rel=1e-15)


def test_values_without_ties_agree_with_scipy() -> None:
    rng = np.random.default_rng(3)
    control, treatment = rng.normal(0, 1, 40), rng.normal(0.3, 3, 90)
    ours, scipys = beats(control, treatment), stats.brunnermunzel(control, treatment)
    assert ours.p_value == pytest.approx(scipys.pvalue, rel=1e-9)
    # scipy returns no degrees of freedom; its t distribution with ours gives its p-value
    assert 2 * stats.t.sf(abs(scipys.statistic), ours.df) == pytest.approx(scipys.pvalue, rel=1e-9)


def test_counts_of_a_million_give_what_their_units_give() -> None:
    control, treatment = (dict(zip(range(1, 6), row, strict=True)) for row in ((3, 5, 9, 7, 2), (2, 5, 8, 9, 4)))
    few = beats(*(Counts.from_pairs(arm.items()) for arm in (control, treatment)))
    units = beats(*(np.repeat(list(arm), list(arm.values())) for arm in (control, treatment)))
    assert few == units
    many = beats(*(Counts.from_pairs((score, 10**8 * n) for score, n in arm.items()) for arm in (control, treatment)))
    assert many.probability == few.probability
    assert many.se == pytest.approx(few.se / 1e4, rel=0.05)


@given(SCORES, SCORES)
def test_swapping_the_arms_mirrors_the_result(control: list[float], treatment: list[float]) -> None:
    there, back = beats(control, treatment), beats(treatment, control)
    assert there.probability == pytest.approx(1 - back.probability, abs=1e-15)
    assert there.reasons == back.reasons
    assert there.p_value == pytest.approx(back.p_value, rel=1e-9, nan_ok=True)
    assert there.ci_low == pytest.approx(1 - back.ci_high, abs=1e-12, nan_ok=True)


@given(SCORES, SCORES, st.floats(0.01, 0.99))
def test_p_is_at_most_alpha_exactly_when_the_interval_leaves_out_one_half(
    control: list[float], treatment: list[float], alpha: float
) -> None:
    result = superiority(control, treatment, alpha=alpha)
    assume(not result.reasons)
    assert 0 <= result.ci_low <= result.probability <= result.ci_high <= 1
    for level in (alpha, result.p_value):
        if 0 < level < 1:
            again = superiority(control, treatment, alpha=level)
            assert (again.p_value <= level) is not (again.ci_low <= 0.5 <= again.ci_high)


@given(SCORES, SCORES)
def test_only_the_order_of_the_levels_matters(control: list[float], treatment: list[float]) -> None:
    stretched = [[math.exp(score) for score in arm] for arm in (control, treatment)]
    assert repr(beats(control, treatment)) == repr(beats(*stretched))


@given(SCORES, SCORES, st.randoms())
def test_the_order_of_units_does_not_matter(control: list[float], treatment: list[float], random: Random) -> None:
    shuffled = random.sample(control, len(control))
    assert repr(beats(shuffled, treatment)) == repr(beats(control, treatment))


@given(SCORES, SCORES, st.floats(0.02, 0.9))
def test_less_alpha_is_a_wider_interval(control: list[float], treatment: list[float], alpha: float) -> None:
    narrow, wide = (superiority(control, treatment, alpha=level) for level in (alpha, alpha / 2))
    assume(not narrow.reasons)
    assert wide.ci_low <= narrow.ci_low <= narrow.ci_high <= wide.ci_high


def test_arms_that_do_not_overlap_are_not_judged() -> None:
    for control, treatment, probability in (([1.0, 2.0], [3.0, 4.0], 1.0), ([3.0] * 9, [1.0, 2.0], 0.0)):
        result = beats(control, treatment)
        assert (result.probability, result.reasons) == (probability, (Reason.NO_VARIANCE,))
        assert all(math.isnan(number) for number in (result.se, result.df, result.p_value, result.ci_low))


def test_equal_scores_are_not_judged_and_one_arm_of_equal_scores_is() -> None:
    assert beats([3.0, 3.0], [3.0, 3.0, 3.0]).reasons == (Reason.NO_VARIANCE,)
    result = beats([3.0] * 50, [3.0] * 25 + [4.0] * 25)
    assert (result.probability, result.reasons) == (0.75, ())
    assert result.df == pytest.approx(49, rel=1e-12)


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        ([], [1.0, 2.0], Reason.NO_UNITS),
        ([1.0], [1.0, 2.0], Reason.TOO_FEW_UNITS),
        ([1.0, math.nan], [1.0, 2.0], Reason.MISSING),
        ([1.0, 2.0], [1.0, math.inf], Reason.MISSING),
    ],
)
def test_scores_that_cannot_answer_say_why(control: list[float], treatment: list[float], reason: Reason) -> None:
    for one, other in ((control, treatment), (treatment, control)):
        result = beats(one, other)
        assert result.reasons == (reason,)
        assert math.isnan(result.p_value)
        assert math.isnan(result.ci_low)
        assert math.isnan(result.probability) is (reason is not Reason.TOO_FEW_UNITS)


@pytest.mark.parametrize("alpha", [0.0, 1.0, math.nan])
def test_alpha_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(InvalidInput, match="alpha"):
        superiority([1.0, 2.0], [1.0, 2.0], alpha=alpha)


def answers(*values: float) -> Moments:
    return Moments.from_arrays(values)


def test_responders_are_weighted_to_everybody_exposed_by_hand() -> None:
    # 40 of 100 exposed are young and 60 old, both arms together
    control, treatment = weighted_by_profile(
        [[answers(1.0, 3.0), answers(4.0, 5.0, 3.0)], [answers(2.0, 4.0, 3.0), answers(5.0, 3.0)]], [[20, 25], [20, 35]]
    )
    assert control.mean == pytest.approx(0.4 * 2 + 0.6 * 4, rel=1e-15)
    assert treatment.mean == pytest.approx(0.4 * 3 + 0.6 * 4, rel=1e-15)
    # variances 2 and 1 of 2 and 3 responders
    assert control.se**2 == pytest.approx(0.16 * 2 / 2 + 0.36 * 1 / 3, rel=1e-12)
    # shares of the variance .16 and .12 with 1 and 2 degrees of freedom: .28² / (.16² + .12² / 2) = 2.39
    assert (control.n, control.df) == (5, 2)


def test_one_stratum_is_the_plain_mean() -> None:
    scores = Moments.from_arrays(some_scores(1, 200))
    (result,) = weighted_by_profile([[scores]], [[900]])
    assert (result.n, result.mean, result.df) == (200, pytest.approx(scores.mean[0], rel=1e-15), 199)
    assert result.var == pytest.approx(scores.var[0], rel=1e-12)


@given(st.permutations(range(4)), st.integers(1, 50))
def test_neither_the_order_of_strata_nor_the_size_of_the_population_matters(order: list[int], factor: int) -> None:
    scores = [[Moments.from_arrays(some_scores(10 * arm + s, 20 + s)) for s in range(4)] for arm in range(2)]
    exposed = [[100, 200, 50, 70], [110, 190, 60, 60]]
    plain = weighted_by_profile(scores, exposed)
    changed = weighted_by_profile(
        [[arm[s] for s in order] for arm in scores], [[factor * arm[s] for s in order] for arm in exposed]
    )
    for one, other in zip(plain, changed, strict=True):
        assert (other.mean, other.var) == pytest.approx((one.mean, one.var), rel=1e-12)


def test_a_response_that_depends_on_profile_and_arm_misleads_the_naive_mean() -> None:
    # half of the users are fond (score 4 or 5), half are not (2 or 3); the treatment draws in those who are not
    answered = [[300, 300], [300, 150]]
    scores = [[answers(*[2.0, 3.0] * (low // 2)), answers(*[4.0, 5.0] * (high // 2))] for low, high in answered]
    naive = [strata[0].merge(strata[1]) for strata in scores]
    assert naive[1].mean[0] - naive[0].mean[0] == pytest.approx(-1 / 3)
    control, treatment = weighted_by_profile(scores, [[1000, 1000], [1000, 1000]])
    assert control.mean == treatment.mean == pytest.approx(3.5, rel=1e-15)
    result = compared(control, treatment)
    assert result.p_value == 1
    assert result.se == pytest.approx(math.sqrt(control.se**2 + treatment.se**2), rel=1e-12)


def test_the_standard_error_is_the_spread_of_repeated_surveys() -> None:
    rng = np.random.default_rng(4)
    shares, means, answering = np.array([0.5, 0.3, 0.2]), np.array([4.0, 3.0, 2.0]), np.array([0.1, 0.3, 0.5])
    values, errors = [], []
    for _ in range(800):
        exposed = rng.multinomial(1_500, shares)
        responders = rng.binomial(exposed, answering)
        scores = [Moments.from_arrays(rng.normal(m, 1, n)) for m, n in zip(means, responders, strict=True)]
        # the other arm is so large that the weights do not vary
        one, _ = weighted_by_profile([scores, scores], [exposed.tolist(), (10**9 * shares).astype(int).tolist()])
        values.append(one.mean)
        errors.append(one.se)
    assert np.mean(values) == pytest.approx((shares * means).sum(), abs=0.01)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.08)


def test_a_stratum_without_answers_leaves_the_mean_open() -> None:
    full, lone, none = answers(1.0, 2.0), answers(3.0), Moments.empty(1)
    fine, empty, thin = weighted_by_profile([[full, full], [full, none], [full, lone]], [[5, 5]] * 3)
    assert fine.reasons == ()
    assert (empty.n, empty.reasons) == (2, (Reason.NO_UNITS,))
    assert math.isnan(empty.mean)
    assert (thin.mean, thin.reasons) == (2.25, (Reason.TOO_FEW_UNITS,))
    assert math.isnan(thin.var)
    assert compared(fine, empty).reasons == (Reason.NO_UNITS,)


def test_a_stratum_that_nobody_was_in_does_not_count() -> None:
    full, none = answers(1.0, 2.0), Moments.empty(1)
    assert weighted_by_profile([[full, none]], [[5, 0]])[0].mean == 1.5
    assert weighted_by_profile([[none]], [[0]])[0].reasons == (Reason.NO_UNITS,)
    assert weighted_by_profile([[]], [[]])[0].reasons == (Reason.NO_UNITS,)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_score_that_is_missing_is_said_to_be(bad: float) -> None:
    for stratum in (answers(1.0, bad), answers(bad)):
        assert weighted_by_profile([[stratum]], [[5]])[0].reasons == (Reason.MISSING,)
        assert weighted_by_profile([[stratum, answers(2.0, -bad)]], [[5, 5]])[0].reasons == (Reason.MISSING,)


@pytest.mark.parametrize("exposed", [[[5]], [[5, 5], [5]], [[5, 5], [5, 1]], []])
def test_exposed_counts_that_do_not_fit_are_refused(exposed: list[list[int]]) -> None:
    full = answers(1.0, 2.0)
    with pytest.raises(InvalidInput, match="exposed"):
        weighted_by_profile([[full, full], [full, full]], exposed)
    with pytest.raises(InvalidInput, match="exposed"):
        weighted_by_profile([[full, full], [full]], [[5, 5], [5]])
