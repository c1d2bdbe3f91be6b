import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from experiments.contracts import Direction, Kind, Looks, MetricResult, Plan, Reason, Stopping
from experiments.errors import InvalidInput
from experiments.inference.metrics import infer
from experiments.inference.views import superiorities_of
from experiments.stats.counts import Counts
from experiments.stats.moments import Moments
from experiments.stats.spending import Spending
from tests.experiments.inference.planned import PRIMARY, by_arm, evidence, plan

SCORES = replace(PRIMARY, key="score", name="Score")
LOW, HIGH = [1.0, 2.0, 2.0, 3.0, 4.0, 5.0] * 40, [2.0, 3.0, 3.0, 4.0, 5.0, 5.0] * 40


def result(whole: Plan, *means: float, variance: float = 1.0) -> MetricResult:
    return infer(whole, evidence({"orders": by_arm(*means, variance=variance)}))[0]


# ---- the Bayesian view


def test_without_a_prior_the_view_is_the_measured_effect() -> None:
    one = result(plan(), 2.0, 2.1)
    (view,) = one.posteriors
    assert (view.arm, view.mean, view.sd) == ("b", one.comparisons[0].effect, one.comparisons[0].se)
    assert view.chance_to_beat == pytest.approx(stats.norm.cdf(0.1 / math.sqrt(0.002)))
    assert view.loss_of_staying - view.expected_loss == pytest.approx(0.1)


def test_the_prior_is_a_fraction_of_the_control() -> None:
    """By hand: the prior's sd is .05 · 2 = .1, se² = .002, so w = .01 / .012."""
    (view,) = result(plan(prior_sd=0.05), 2.0, 2.1).posteriors
    assert view.mean == pytest.approx(0.1 * 0.01 / 0.012)
    assert view.sd == pytest.approx(math.sqrt(0.002 * 0.01 / 0.012))


def test_less_is_better_where_the_metric_says_so() -> None:
    falls = replace(PRIMARY, direction=Direction.DECREASE)
    (up,), (down,) = result(plan(), 2.0, 2.1).posteriors, result(plan((falls,)), 2.0, 2.1).posteriors
    assert down.chance_to_beat == pytest.approx(1 - up.chance_to_beat)
    assert (down.expected_loss, down.loss_of_staying) == pytest.approx((up.loss_of_staying, up.expected_loss))
    assert (down.ci_low, down.ci_high) == (up.ci_low, up.ci_high)


def test_looks_and_other_treatments_change_no_posterior() -> None:
    alone = result(plan(prior_sd=0.05), 2.0, 2.1).posteriors[0]
    assert result(plan(treatments=2, prior_sd=0.05), 2.0, 2.1, 2.3).posteriors[0] == alone
    assert result(plan(stopping=Stopping.SEQUENCE, prior_sd=0.05), 2.0, 2.1).posteriors[0] == alone


def test_a_prior_of_a_control_of_0_has_no_width_and_gives_no_posterior() -> None:
    (view,) = result(plan(prior_sd=0.05), 0.0, 0.1).posteriors
    assert math.isnan(view.chance_to_beat)
    assert not math.isnan(result(plan(), 0.0, 0.1).posteriors[0].chance_to_beat)


def test_with_covariates_the_prior_is_a_fraction_of_the_adjusted_control() -> None:
    rng = np.random.default_rng(2)
    arms = {}
    for arm, shift in (("control", 0.0), ("b", 1.0)):
        before = rng.normal(10 + shift, 3, 60)
        arms[arm] = Moments.from_arrays(before + rng.normal(0, 1, 60), before)
    metric = replace(PRIMARY, covariates=("before",))
    (one,) = infer(plan((metric,), prior_sd=0.1), evidence({"orders": arms}))
    comparison, view = one.comparisons[0], one.posteriors[0]
    width = 0.1 * one.arms[0].mean
    assert one.arms[0].mean != pytest.approx(arms["control"].mean[0], rel=1e-3)
    assert view.mean == pytest.approx(comparison.effect * width**2 / (width**2 + comparison.se**2))


def test_a_prior_below_0_is_refused() -> None:
    with pytest.raises(InvalidInput, match="prior sd"):
        result(plan(prior_sd=-0.1), 2.0, 2.1)


# ---- whole distributions


def superiority(whole: Plan, looks: Looks | None = None, **values: list[float]):
    counts = {arm: Counts.from_values(one) for arm, one in values.items()}
    return superiorities_of(whole, SCORES, evidence({}, looks, values={"score": counts}))


def test_the_chance_of_a_higher_value_is_brunner_and_munzels() -> None:
    (one,) = superiority(plan((SCORES,)), control=LOW, b=HIGH)
    theirs = stats.brunnermunzel(LOW, HIGH)
    assert one.arm == "b"
    assert one.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert one.probability == pytest.approx(stats.mannwhitneyu(HIGH, LOW).statistic / len(LOW) / len(HIGH))
    assert 0.5 < one.ci_low < one.probability < one.ci_high


def test_it_is_there_only_where_values_are() -> None:
    whole = plan((SCORES, PRIMARY))
    values = {"score": {arm: Counts.from_values(LOW) for arm in ("control", "b")}}
    scores, orders = infer(whole, evidence({"orders": by_arm(2.0, 2.1)}, values=values))
    assert len(scores.superiorities) == 1
    assert orders.superiorities == ()
    quantile = replace(SCORES, kind=Kind.QUANTILE)
    assert superiorities_of(whole, quantile, evidence({}, values=values)) == ()


def test_an_arm_without_values_has_no_answer_and_the_other_has() -> None:
    absent, there = superiority(plan((SCORES,), treatments=2), control=LOW, c=HIGH)
    assert (absent.arm, absent.reasons) == ("b", (Reason.NO_UNITS,))
    assert math.isnan(absent.probability)
    assert there.p_value < 0.05


@pytest.mark.parametrize("stopping", Stopping)
@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        ([], [], Reason.NO_UNITS),
        ([1.0], [2.0], Reason.TOO_FEW_UNITS),
        ([1.0] * 200, [1.0] * 200, Reason.NO_VARIANCE),
        ([1.0] * 200, [2.0] * 200, Reason.NO_VARIANCE),
        ([1.0, math.nan], [2.0, 3.0], Reason.MISSING),
    ],
)
def test_values_that_cannot_answer_give_nan_and_a_reason(
    stopping: Stopping, control: list[float], treatment: list[float], reason: Reason
) -> None:
    whole = plan((SCORES,), stopping=stopping, planned_units=1_000)
    (one,) = superiority(whole, Looks(fractions=(0.5,), units=500), control=control, b=treatment)
    assert one.reasons == (reason,)
    assert math.isnan(one.p_value)
    assert math.isnan(one.ci_low)


def test_looks_are_paid_for() -> None:
    """At half of the plan the level is .00305 instead of .05."""
    looks = Looks(fractions=(0.5,), units=480, planned_units=960)
    (once,) = superiority(plan((SCORES,)), looks, control=LOW, b=HIGH)
    (looked,) = superiority(plan((SCORES,), stopping=Stopping.SPENDING, planned_units=960), looks, control=LOW, b=HIGH)
    assert looked.probability == once.probability
    assert looked.p_value > once.p_value
    assert looked.ci_high - looked.probability == pytest.approx(Spending((0.5,)).critical(0.05, once.df) * once.se)


@given(
    st.lists(st.integers(1, 5), min_size=100, max_size=140),
    st.lists(st.integers(1, 5), min_size=100, max_size=140),
    st.sampled_from(Stopping),
)
@settings(max_examples=150, deadline=None)
def test_its_interval_leaves_out_one_half_exactly_where_its_p_value_says_so(
    control: list[int], treatment: list[int], stopping: Stopping
) -> None:
    whole = plan((SCORES,), stopping=stopping, planned_units=1_000)
    values = {"control": [float(x) for x in control], "b": [float(x) for x in treatment]}
    (one,) = superiority(whole, Looks(fractions=(0.2, 0.6), units=600), **values)
    if not math.isnan(one.p_value):
        assert 0 <= one.ci_low <= one.probability <= one.ci_high <= 1
        assert (one.p_value <= whole.alpha) == (one.ci_low > 0.5 or one.ci_high < 0.5)


def test_a_sequence_waits_for_a_hundred_values_an_arm() -> None:
    (early,) = superiority(plan((SCORES,), stopping=Stopping.SEQUENCE), control=LOW[:90], b=HIGH)
    assert early.reasons == (Reason.TOO_EARLY,)
    assert math.isnan(early.p_value)
    assert early.probability > 0.5
    (later,) = superiority(plan((SCORES,), stopping=Stopping.SEQUENCE), control=LOW, b=HIGH)
    assert later.reasons == ()
    assert later.p_value < 0.05


def test_so_early_that_nothing_may_be_spent_there_is_only_the_probability() -> None:
    looks = Looks(fractions=(0.001,), units=480, planned_units=480_000)
    (one,) = superiority(plan((SCORES,), stopping=Stopping.SPENDING, planned_units=480_000), looks, control=LOW, b=HIGH)
    assert one.reasons == (Reason.TOO_EARLY,)
    assert one.probability > 0.5
    assert math.isnan(one.p_value)
    assert math.isnan(one.ci_low)
