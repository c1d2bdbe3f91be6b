import math
from collections.abc import Iterator
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from experiments.contracts import (
    Calibration,
    Comparison,
    Correction,
    Direction,
    Guardrail,
    Kind,
    Looks,
    MetricResult,
    Plan,
    PlannedMetric,
    Posterior,
    Reason,
    Role,
    Scale,
    Standing,
    Stopping,
)
from experiments.errors import InvalidInput
from experiments.evidence import Evidence
from experiments.inference.metrics import infer
from experiments.stats.counts import Counts
from experiments.stats.moments import Moments
from experiments.stats.spending import bounds
from tests.experiments.inference.planned import (
    ARMS,
    GUARDRAIL,
    PRIMARY,
    SECONDARY,
    by_arm,
    evidence,
    moments,
    plan,
)

FRACTIONS = ((1.0,), (0.3, 0.7), (0.1, 0.2, 0.45, 0.8, 1.0))
CLICKS = PlannedMetric(key="ctr", name="CTR", kind=Kind.RATIO, role=Role.PRIMARY, scale=Scale.SHARE)
SHARE = PlannedMetric(key="joined", name="Joined", kind=Kind.PROPORTION, role=Role.PRIMARY, scale=Scale.SHARE)
MEDIAN = PlannedMetric(key="wait", name="Wait", kind=Kind.QUANTILE, role=Role.PRIMARY, quantile=0.5)


def comparisons(results: tuple[MetricResult, ...]) -> Iterator[Comparison]:
    for result in results:
        yield from result.comparisons
        for alternative in result.alternatives:
            yield from alternative.comparisons
        yield from result.novelty


def agrees(one: Comparison) -> bool:
    """Significant exactly where 0 lies outside the interval, and outside the relative one where there is one."""
    outside = one.ci_low > 0 or one.ci_high < 0
    relative = one.rel_ci_low > 0 or one.rel_ci_high < 0
    return one.significant == outside and (math.isnan(one.rel_ci_low) or one.significant == relative)


# ---- p-values and intervals


@st.composite
def experiments(draw: st.DrawFn) -> tuple[Plan, Evidence]:
    """Any plan with all roles, and evidence in which effects are near what decides."""
    treatments = draw(st.integers(1, 3))
    stopping = draw(st.sampled_from(Stopping))
    fractions = draw(st.sampled_from(FRACTIONS))
    whole = plan(
        (PRIMARY, GUARDRAIL, *SECONDARY),
        treatments=treatments,
        stopping=stopping,
        planned_units=10_000,
        alpha=draw(st.sampled_from([0.05, 0.01, 0.1, 0.037])),
    )
    measured = {
        metric.key: {
            arm: moments(
                draw(st.floats(1.6, 2.4)), n=draw(st.integers(100, 3_000)), variance=draw(st.floats(0.01, 40.0))
            )
            for arm in ARMS[: treatments + 1]
        }
        for metric in whole.metrics
    }
    looks = Looks(fractions=fractions, units=10_000, planned_units=10_000, days=5.0)
    return whole, evidence(measured, looks, novelty={PRIMARY.key: measured[GUARDRAIL.key]}, raw=measured)


@given(experiments())
@settings(max_examples=150, deadline=None)
def test_every_interval_leaves_out_0_exactly_where_its_p_value_says_so(made: tuple[Plan, Evidence]) -> None:
    whole, measured = made
    results = infer(whole, measured)
    for one in comparisons(results):
        assert not math.isnan(one.p_value)
        assert agrees(one), one
        # a confidence sequence is normal, whatever the degrees of freedom: far out its tail is thinner than Student's
        if whole.stopping is not Stopping.SEQUENCE or one.p_value > 1e-6:
            assert one.unadjusted_p <= one.p_value * (1 + 1e-9)
        assert one.ci_high - one.ci_low == pytest.approx(2 * one.critical * one.se, rel=1e-6)


@given(experiments())
@settings(max_examples=100, deadline=None)
def test_a_guardrail_holds_exactly_where_its_interval_stays_within_the_margin(made: tuple[Plan, Evidence]) -> None:
    whole, measured = made
    for one in infer(whole, measured)[1].guardrails:
        assert one.standing in Standing
        if math.isfinite(one.bound) and abs(-one.bound - one.margin) > 1e-9:
            assert (one.standing is Standing.HOLDS) == (-one.bound < one.margin)
            assert (one.standing is Standing.HOLDS) == (one.p_value <= whole.alpha / 2)


@given(experiments(), st.floats(0.01, 1_000.0))
@settings(max_examples=60, deadline=None)
def test_another_unit_of_the_values_changes_nothing_but_the_unit(made: tuple[Plan, Evidence], factor: float) -> None:
    whole, measured = made
    scaled = evidence(
        {
            key: {
                arm: moments(one.mean[0] * factor, n=one.n, variance=one.var[0] * factor**2)
                for arm, one in arms.items()
            }
            for key, arms in measured.moments.items()
        },
        measured.looks,
    )
    for one, other in zip(infer(whole, measured), infer(whole, scaled), strict=True):
        for before, after in zip(one.comparisons, other.comparisons, strict=True):
            assert after.effect == pytest.approx(before.effect * factor, rel=1e-7, abs=1e-12 * factor)
            assert after.ci_high == pytest.approx(before.ci_high * factor, rel=1e-6, abs=1e-9 * factor)
            assert after.log_p == pytest.approx(before.log_p, rel=1e-6, abs=1e-9)
            assert after.rel_effect == pytest.approx(before.rel_effect, rel=1e-7, abs=1e-12)


@given(experiments(), st.floats(-50.0, 50.0))
@settings(max_examples=60, deadline=None)
def test_the_same_added_to_every_value_changes_no_difference(made: tuple[Plan, Evidence], shift: float) -> None:
    whole, measured = made
    shifted = evidence(
        {
            key: {arm: replace(one, mean=(one.mean[0] + shift,)) for arm, one in arms.items()}
            for key, arms in measured.moments.items()
        },
        measured.looks,
    )
    for one, other in zip(infer(whole, measured), infer(whole, shifted), strict=True):
        for before, after in zip(one.comparisons, other.comparisons, strict=True):
            for name in ("effect", "se", "ci_low", "ci_high"):
                assert getattr(after, name) == pytest.approx(getattr(before, name), rel=1e-9, abs=1e-9)
            assert after.log_p == pytest.approx(before.log_p, rel=1e-6, abs=1e-9)


@given(experiments())
@settings(max_examples=60, deadline=None)
def test_swapping_two_arms_turns_every_effect_around(made: tuple[Plan, Evidence]) -> None:
    whole, measured = made
    pair = replace(whole, arms=whole.arms[:2])
    turned = replace(pair, arms=whole.arms[1::-1])
    for one, other in zip(infer(pair, measured), infer(turned, measured), strict=True):
        (here,), (there,) = one.comparisons, other.comparisons
        assert there.effect == -here.effect
        assert (there.se, there.df, there.p_value, there.log_p) == (here.se, here.df, here.p_value, here.log_p)
        assert (there.ci_low, there.ci_high) == (-here.ci_high, -here.ci_low)
        # 1 + relative effect is a ratio of means; its inverse has the inverse interval
        if math.isfinite(here.rel_ci_low) and math.isfinite(here.rel_ci_high) and here.rel_ci_low > -1:
            assert 1 + there.rel_ci_low == pytest.approx(1 / (1 + here.rel_ci_high), rel=1e-6)


@given(experiments())
@settings(max_examples=40, deadline=None)
def test_a_smaller_alpha_widens_every_interval_of_one_family(made: tuple[Plan, Evidence]) -> None:
    whole, measured = made
    strict = infer(replace(whole, alpha=whole.alpha / 5, metrics=whole.metrics[:2]), measured)
    for one, other in zip(infer(replace(whole, metrics=whole.metrics[:2]), measured), strict, strict=True):
        for loose, tight in zip(one.comparisons, other.comparisons, strict=True):
            assert tight.ci_low <= loose.ci_low <= loose.ci_high <= tight.ci_high


def test_each_rule_gives_the_critical_value_it_is_known_for() -> None:
    measured = evidence(
        {"orders": by_arm(2.0, 2.1, 2.0, n=10**7)}, Looks(fractions=(0.2, 0.4), units=4, planned_units=9)
    )
    normal = stats.norm.isf
    two = {"treatments": 2, "planned_units": 9}
    for changes, expected in (
        ({}, normal(0.025)),
        ({"treatments": 2}, 2.2121),  # Dunnett (1964), two treatments, many units
        ({"stopping": Stopping.SPENDING, "planned_units": 9}, 3.357),
        ({"stopping": Stopping.SPENDING, **two}, bounds((0.2, 0.4), 1 - 0.95**0.5)[-1]),
    ):
        (result,) = infer(plan(**changes), measured)  # type: ignore[arg-type]
        assert result.comparisons[0].critical == pytest.approx(expected, abs=2e-3), changes


# ---- which correction


def test_every_metric_carries_the_correction_of_its_family() -> None:
    metrics = (PRIMARY, GUARDRAIL, *SECONDARY)
    measured = evidence({metric.key: by_arm(2.0, 2.1, 1.9) for metric in metrics})
    one = [result.correction for result in infer(plan(metrics), measured)]
    assert one == [Correction.NONE, Correction.NONE, *[Correction.FALSE_DISCOVERY] * 4]
    two = [result.correction for result in infer(plan(metrics, treatments=2), measured)]
    assert two == [Correction.DUNNETT, Correction.DUNNETT, *[Correction.FALSE_DISCOVERY] * 4]
    looked = plan(metrics, treatments=2, stopping=Stopping.SEQUENCE)
    many = [result.correction for result in infer(looked, measured)]
    assert many == [Correction.SIDAK, Correction.SIDAK, *[Correction.FALSE_DISCOVERY] * 4]


def test_without_a_declared_primary_metric_the_first_one_stays_out_of_the_secondary_family() -> None:
    measured = evidence({metric.key: by_arm(2.0, 2.1) for metric in SECONDARY})
    corrections = [result.correction for result in infer(plan(SECONDARY), measured)]
    assert corrections == [Correction.NONE, *[Correction.FALSE_DISCOVERY] * 3]


def test_the_p_values_of_two_treatments_are_those_of_scipys_dunnett() -> None:
    rng = np.random.default_rng(7)
    groups = [rng.normal(mean, 1, 400) for mean in (2.0, 2.12, 2.2)]
    measured = {arm: Moments.from_arrays(values) for arm, values in zip(ARMS, groups, strict=False)}
    (result,) = infer(plan(treatments=2), evidence({"orders": measured}))
    theirs = stats.dunnett(*groups[1:], control=groups[0], rng=np.random.default_rng(1)).pvalue
    # scipy pools one variance and integrates by a random rule
    assert [one.p_value for one in result.comparisons] == pytest.approx(theirs, rel=0.05, abs=2e-3)


def test_the_secondary_metrics_of_all_treatments_are_one_family() -> None:
    """By hand: 4 p-values; those found are drawn at R alpha / m, and so are the others."""
    measured = {"orders": by_arm(2.0, 2.0, 2.0), "s0": by_arm(2.0, 2.13, 2.02), "s1": by_arm(2.0, 2.11, 2.1)}
    whole = plan((PRIMARY, *SECONDARY[:2]), treatments=2)
    found = [one for result in infer(whole, evidence(measured))[1:] for one in result.comparisons]
    raw = [one.unadjusted_p for one in found]
    assert [round(p, 4) for p in raw] == [0.0037, 0.6548, 0.014, 0.0255]
    adjusted = stats.false_discovery_control(raw)
    assert [one.p_value for one in found] == pytest.approx(adjusted, rel=1e-12)
    assert [one.log_p for one in found] == pytest.approx(np.log(adjusted), rel=1e-9)
    assert [one.significant for one in found] == [True, False, True, True]
    level = 3 * 0.05 / 4
    for one in found:
        assert one.critical == pytest.approx(stats.t.isf(level / 2, one.df), rel=1e-9)
        assert one.alpha == 0.05


def test_the_primary_metric_and_guardrails_do_not_pay_for_the_secondary_metrics() -> None:
    measured = evidence({metric.key: by_arm(2.0, 2.1) for metric in (PRIMARY, GUARDRAIL, *SECONDARY)})
    alone = infer(plan((PRIMARY, GUARDRAIL)), measured)
    assert infer(plan((PRIMARY, GUARDRAIL, *SECONDARY)), measured)[:2] == alone


def test_a_secondary_metric_that_cannot_answer_does_not_count_in_the_family() -> None:
    measured = {"orders": by_arm(2.0, 2.0), "s0": by_arm(2.0, 2.1), "s1": {}}
    known = infer(plan((PRIMARY, SECONDARY[0])), evidence(measured))[1].comparisons[0]
    beside = infer(plan((PRIMARY, *SECONDARY[:2])), evidence(measured))
    assert beside[1].comparisons[0] == known
    assert math.isnan(beside[2].comparisons[0].p_value)


def test_a_p_value_that_underflows_keeps_its_logarithm_through_the_family() -> None:
    measured = {"orders": by_arm(2.0, 2.0), "s0": by_arm(2.0, 3.0, n=10**6), "s1": by_arm(2.0, 2.0)}
    one = infer(plan((PRIMARY, *SECONDARY[:2])), evidence(measured))[1].comparisons[0]
    assert one.p_value < 1e-300
    assert one.significant
    # m / R = 2 of a t of 707 on 2 million degrees of freedom: ln p ≈ −n ln(1 + 1 / 4)
    assert one.log_p == pytest.approx(-(10**6) * math.log(1.25), rel=1e-4)


# ---- looks


def test_a_sequence_withholds_its_judgement_until_enough_is_in() -> None:
    early = plan((SHARE, PRIMARY), stopping=Stopping.SEQUENCE)
    few = {"control": moments(0.1, n=99, variance=0.09), "b": moments(0.9, n=120, variance=0.09)}
    rare = {"control": moments(19 / 5_000, n=5_000, variance=0.004), "b": moments(0.01, n=5_000, variance=0.01)}
    for measured in (few, rare):
        (one,) = infer(early, evidence({"joined": measured, "orders": by_arm(2.0, 3.0)}))[0].comparisons
        assert one.reasons == (Reason.TOO_EARLY,)
        assert one.effect == pytest.approx(measured["b"].mean[0] - measured["control"].mean[0])
        assert math.isnan(one.p_value)
        assert math.isnan(one.ci_low)
        assert not math.isnan(
            infer(replace(early, stopping=Stopping.ONCE), evidence({"joined": measured}))[0].comparisons[0].p_value
        )
    enough = {"control": moments(0.2, n=100, variance=0.16), "b": moments(0.9, n=100, variance=0.09)}
    result = infer(early, evidence({"joined": enough, "orders": by_arm(2.0, 3.0)}))[0]
    assert result.comparisons[0].significant


def test_what_is_withheld_is_withheld_in_every_view_of_the_metric() -> None:
    few = by_arm(2.0, 3.0, n=60)
    metric = replace(PRIMARY, covariates=("before",), role=Role.GUARDRAIL, margin=0.1)
    adjusted = {arm: Moments.from_arrays(*np.random.default_rng(i).normal(2, 1, (2, 60))) for i, arm in enumerate(few)}
    (result,) = infer(
        plan((metric,), stopping=Stopping.SEQUENCE, prior_sd=0.1),
        evidence(
            {"orders": adjusted},
            raw={"orders": few},
            novelty={"orders": few},
            segments={"orders": {"country": {name: by_arm(2.0, 3.0, n=30) for name in ("de", "fr")}}},
            values={"orders": {arm: Counts.from_values(range(60)) for arm in few}},
        ),
    )
    assert {one.reasons for one in (*comparisons((result,)),)} == {(Reason.TOO_EARLY,)}
    assert [one.name for one in result.alternatives] == ["raw", "unadjusted", "stratified"]
    assert all(math.isnan(one.p_value) for one in comparisons((result,)))
    assert math.isnan(result.guardrails[0].p_value)
    assert result.guardrails[0].standing is Standing.OPEN
    assert math.isnan(result.posteriors[0].chance_to_beat)
    assert result.superiorities[0].reasons == (Reason.TOO_EARLY,)
    assert math.isnan(result.superiorities[0].p_value)
    assert all(one.reasons == (Reason.TOO_EARLY,) for one in result.segments[0].segments)
    assert not result.segments[0].differs


@pytest.mark.parametrize("metrics", [(PRIMARY,), SECONDARY[:2], (GUARDRAIL,)])
def test_spending_up_to_an_unknown_end_is_refused(metrics: tuple[PlannedMetric, ...]) -> None:
    with pytest.raises(InvalidInput, match="planned_units"):
        infer(plan(metrics, stopping=Stopping.SPENDING), evidence({metrics[0].key: by_arm(2.0, 2.1)}))


def test_looking_twice_costs_what_the_bounds_say() -> None:
    measured = {"orders": by_arm(2.0, 2.1, n=1_000)}
    whole = plan(stopping=Stopping.SPENDING, planned_units=4_000)
    half = Looks(fractions=(0.5,), units=2_000, planned_units=4_000)
    (once,), (early,) = (
        infer(plan(), evidence(measured))[0].comparisons,
        infer(whole, evidence(measured, half))[0].comparisons,
    )
    assert once.p_value == pytest.approx(0.0255, abs=1e-4)
    assert early.unadjusted_p == once.p_value
    assert early.p_value > 0.05
    assert early.critical == pytest.approx(stats.t.isf(0.003051 / 2, early.df), rel=1e-3)


# ---- what the evidence holds


def test_one_arm_without_variance_still_answers() -> None:
    """0 of 1,000 against 12 of 1,000."""
    twelve = Moments.from_integer_sums(n=1_000, sums=[12], products=[[12]])
    none = Moments.from_integer_sums(n=1_000, sums=[0], products=[[0]])
    (up,) = infer(plan((SHARE,)), evidence({"joined": {"control": none, "b": twelve}}))[0].comparisons
    assert up.significant
    assert up.reasons == (Reason.ZERO_BASELINE,)
    assert up.p_value == pytest.approx(stats.ttest_1samp([1] * 12 + [0] * 988, 0).pvalue, rel=1e-9)
    (down,) = infer(plan((SHARE,)), evidence({"joined": {"control": twelve, "b": none}}))[0].comparisons
    assert (down.p_value, down.rel_effect) == (up.p_value, -1.0)


NOTHING = Moments.empty(1)
CONSTANT = moments(2.0, variance=0.0)
MISSING = moments(math.nan, variance=math.nan)
SINGLE = Moments.from_arrays([3.0])


@pytest.mark.parametrize("stopping", Stopping)
@pytest.mark.parametrize("treatments", [1, 2])
@pytest.mark.parametrize(
    ("arms", "reason"),
    [
        ({}, Reason.NO_UNITS),
        ({"control": NOTHING, "b": NOTHING, "c": NOTHING}, Reason.NO_UNITS),
        ({"control": moments(2.0)}, Reason.NO_UNITS),
        ({"b": moments(2.0), "c": moments(2.0)}, Reason.NO_UNITS),
        ({"control": SINGLE, "b": SINGLE, "c": SINGLE}, Reason.TOO_FEW_UNITS),
        ({"control": moments(2.0), "b": SINGLE, "c": SINGLE}, Reason.TOO_FEW_UNITS),
        ({"control": CONSTANT, "b": CONSTANT, "c": CONSTANT}, Reason.NO_VARIANCE),
        ({"control": MISSING, "b": moments(2.0), "c": moments(2.0)}, Reason.MISSING),
        ({"control": moments(2.0), "b": MISSING, "c": MISSING}, Reason.MISSING),
        ({"control": moments(math.inf), "b": MISSING, "c": MISSING}, Reason.MISSING),
    ],
    ids=[
        "no arms",
        "no units",
        "no treatment",
        "no control",
        "one unit",
        "one unit of treatment",
        "no variance",
        "control missing",
        "treatment missing",
        "infinite",
    ],
)
@pytest.mark.parametrize("role", Role)
def test_evidence_that_cannot_answer_gives_nan_and_a_reason(
    arms: dict[str, Moments], reason: Reason, treatments: int, stopping: Stopping, role: Role
) -> None:
    metric = replace(PRIMARY, role=role, margin=0.1)
    whole = plan((metric,), treatments, stopping=stopping, planned_units=4_000, prior_sd=0.1)
    (result,) = infer(
        whole,
        evidence(
            {"orders": arms},
            novelty={"orders": arms},
            raw={"orders": arms},
            segments={"orders": {"country": {"de": arms, "fr": {}}}},
        ),
    )
    for one in comparisons((result,)):
        assert reason in one.reasons
        for name in ("se", "ci_low", "ci_high", "p_value", "log_p", "rel_ci_low", "critical", "unadjusted_p"):
            assert math.isnan(getattr(one, name)), name
        assert not one.significant
    assert all(one.standing is Standing.OPEN and math.isnan(one.p_value) for one in result.guardrails)
    assert all(
        math.isnan(getattr(one, part.name))
        for one in result.posteriors
        for part in fields(Posterior)
        if part.name != "arm"
    )
    assert all(math.isnan(one.p_value) and not one.differs for one in result.segments)


def test_one_treatment_that_cannot_answer_leaves_the_other_its_answer() -> None:
    (result,) = infer(plan(treatments=2), evidence({"orders": {"control": moments(2.0), "c": moments(2.3)}}))
    absent, there = result.comparisons
    assert (absent.arm, absent.reasons) == ("b", (Reason.NO_UNITS,))
    assert there.significant
    assert result.correction is Correction.SIDAK


def test_a_ratio_without_a_denominator_has_no_value() -> None:
    arms = {"control": Moments.from_arrays([1.0, 2.0], [0.0, 0.0]), "b": Moments.from_arrays([1.0, 2.0], [1.0, 1.0])}
    (one,) = infer(plan((CLICKS,)), evidence({"ctr": arms}))[0].comparisons
    assert one.reasons == (Reason.NO_DENOMINATOR,)
    assert math.isnan(one.effect)


def test_a_plan_without_metrics_has_no_results() -> None:
    assert infer(plan(()), evidence({})) == ()


def test_all_secondary_metrics_may_be_without_an_answer() -> None:
    results = infer(plan((PRIMARY, *SECONDARY)), evidence({"orders": by_arm(2.0, 2.2)}))
    assert results[0].comparisons[0].significant
    assert all(one.comparisons[0].reasons == (Reason.NO_UNITS,) for one in results[1:])


# ---- covariates, caps, quantiles


def paired(rng: np.random.Generator, shift: float, n: int = 800) -> Moments:
    before = rng.normal(10, 3, n)
    return Moments.from_arrays(before + rng.normal(shift, 1, n), before)


def test_covariates_narrow_the_interval_and_the_unadjusted_result_stays_beside_it() -> None:
    rng = np.random.default_rng(3)
    metric = replace(PRIMARY, covariates=("orders before",))
    arms = {"control": paired(rng, 0.0), "b": paired(rng, 0.3)}
    (result,) = infer(plan((metric,)), evidence({"orders": arms}))
    assert result.reduction == pytest.approx(0.9, abs=0.02)  # 9 / (9 + 1)
    (unadjusted,) = result.alternatives
    assert unadjusted.name == "unadjusted"
    (plain,) = infer(plan(), evidence({"orders": arms}))
    assert (unadjusted.comparisons, unadjusted.arms) == (plain.comparisons, plain.arms)
    adjusted = result.comparisons[0]
    assert adjusted.se**2 / plain.comparisons[0].se ** 2 == pytest.approx(1 - result.reduction, rel=0.02)
    assert adjusted.ci_low < 0.3 < adjusted.ci_high
    # the relative effect is of the adjusted control, which the page shows too
    assert adjusted.rel_effect == pytest.approx(adjusted.effect / result.arms[0].mean, rel=1e-12)
    assert plain.alternatives == ()


def test_the_uncapped_result_stays_beside_the_capped_one_under_the_same_rule() -> None:
    metric = replace(PRIMARY, winsor=0.99)
    capped, raw = by_arm(2.0, 2.1, 2.2), by_arm(2.1, 2.2, 2.3, variance=9.0)
    (result,) = infer(
        plan((metric,), treatments=2), evidence({"orders": capped}, raw={"orders": raw}, caps={"orders": 40.0})
    )
    assert result.cap == 40.0
    (beside,) = result.alternatives
    assert beside.name == "raw"
    assert [one.effect for one in beside.comparisons] == pytest.approx([0.1, 0.2])
    assert beside.comparisons[0].se == pytest.approx(3 * result.comparisons[0].se)
    assert beside.comparisons[0].critical == pytest.approx(result.comparisons[0].critical, rel=1e-4)
    assert math.isnan(infer(plan(), evidence({"orders": capped}))[0].cap)


def test_a_secondary_metrics_alternatives_are_judged_at_the_level_of_the_headline() -> None:
    measured = {"orders": by_arm(2.0, 2.0), "s0": by_arm(2.0, 2.1), "s1": by_arm(2.0, 2.0)}
    result = infer(plan((PRIMARY, *SECONDARY[:2])), evidence(measured, raw={"s0": measured["s0"]}))[1]
    (one,) = result.alternatives[0].comparisons
    assert one.p_value == pytest.approx(2 * one.unadjusted_p)
    assert (one.ci_low, one.ci_high) == (result.comparisons[0].ci_low, result.comparisons[0].ci_high)
    assert agrees(one)


def test_a_quantile_is_compared_and_the_same_data_give_the_same_answer() -> None:
    rng = np.random.default_rng(5)
    values = {arm: Counts.from_values(rng.exponential(mean, 2_000)) for arm, mean in (("control", 1.0), ("b", 1.5))}
    first, again = (infer(plan((MEDIAN,)), evidence({}, values={"wait": values}))[0] for _ in range(2))
    assert first.comparisons == again.comparisons
    (one,) = first.comparisons
    assert one.significant
    assert one.effect == pytest.approx(0.5 * math.log(2), abs=0.1)
    # the variance of a median is 1 / (4 n f²), f = 1 / (2 mean) at it
    assert one.se == pytest.approx(math.hypot(1.0, 1.5) / math.sqrt(2_000), rel=0.15)
    assert agrees(one)
    assert first.superiorities == ()
    assert first.arms[0].denominator == 2_000


def test_a_quantile_without_values_has_no_units() -> None:
    (result,) = infer(plan((MEDIAN,), treatments=2), evidence({}, segments={"wait": {"country": {"de": {}}}}))
    assert all(one.reasons == (Reason.NO_UNITS,) for one in result.comparisons)
    assert [arm.n for arm in result.arms] == [0, 0, 0]
    assert result.segments == ()


def test_a_quantile_of_a_share_is_judged_by_a_sequence_as_soon_as_there_are_units() -> None:
    values = {arm: Counts.from_values(np.random.default_rng(i).random(150)) for i, arm in enumerate(("control", "b"))}
    metric = replace(MEDIAN, scale=Scale.SHARE)
    (result,) = infer(plan((metric,), stopping=Stopping.SEQUENCE), evidence({}, values={"wait": values}))
    assert not math.isnan(result.comparisons[0].p_value)


# ---- guardrails, novelty


def guardrail(metric: PlannedMetric, *means: float, n: int = 20_000, **changes: object) -> tuple[Guardrail, ...]:
    (result,) = infer(plan((metric,), len(means) - 1, **changes), evidence({metric.key: by_arm(*means, n=n)}))
    return result.guardrails


def test_guardrails_stand_where_their_interval_puts_them() -> None:
    # se = √(2 / 20,000) = .01, so the harmful end of 2.0 is at −.98 % and that of 1.95 at −3.5 %
    assert guardrail(GUARDRAIL, 2.0, 2.0)[0].standing is Standing.HOLDS
    assert guardrail(GUARDRAIL, 2.0, 1.95)[0].standing is Standing.HARMED
    assert guardrail(GUARDRAIL, 2.0, 1.99, n=2_000)[0].standing is Standing.OPEN
    assert guardrail(replace(GUARDRAIL, direction=Direction.DECREASE), 2.0, 2.05)[0].standing is Standing.HARMED
    held = guardrail(GUARDRAIL, 2.0, 2.0)[0]
    assert held.bound == pytest.approx(-0.0098, abs=1e-4)
    assert held.p_value == pytest.approx(stats.norm.sf(0.04 / math.hypot(1, 0.98) * math.sqrt(20_000)), rel=0.01)


def test_guardrails_of_several_treatments_are_judged_by_the_rule_of_their_interval() -> None:
    alone, together = guardrail(GUARDRAIL, 2.0, 1.98)[0], guardrail(GUARDRAIL, 2.0, 1.98, 2.0)[0]
    assert together.bound < alone.bound
    assert together.arm == "b"


def test_without_a_margin_only_harm_is_found() -> None:
    bare = replace(GUARDRAIL, margin=None)
    assert guardrail(bare, 2.0, 1.9)[0].standing is Standing.HARMED
    assert guardrail(bare, 2.0, 2.0)[0].standing is Standing.OPEN
    assert math.isnan(guardrail(bare, 2.0, 2.0)[0].p_value)


def test_only_guardrails_have_a_standing() -> None:
    assert guardrail(replace(GUARDRAIL, role=Role.PRIMARY), 2.0, 1.9) == ()


def test_novelty_compares_how_units_changed_from_their_first_to_their_second_week() -> None:
    changed = {"control": moments(-0.1), "b": moments(-0.4)}
    measured = evidence({"orders": by_arm(2.0, 2.2)}, novelty={"orders": changed})
    (one,) = infer(plan(), measured)[0].novelty
    assert one.effect == pytest.approx(-0.3)
    assert one.significant
    assert infer(plan(), evidence({"orders": by_arm(2.0, 2.2)}))[0].novelty == ()


def test_novelty_pays_for_the_looks_like_everything_else() -> None:
    changed = {"control": moments(-0.1), "b": moments(-0.2)}
    looks = Looks(fractions=(0.1, 0.2), units=2_000, planned_units=10_000)
    measured = evidence({"orders": by_arm(2.0, 2.2)}, looks, novelty={"orders": changed})
    (once,) = infer(plan(), measured)[0].novelty
    assert once.significant
    (looked,) = infer(plan(stopping=Stopping.SPENDING, planned_units=10_000), measured)[0].novelty
    assert not looked.significant
    assert looked.unadjusted_p == once.p_value


def test_an_arm_without_novelty_has_no_answer() -> None:
    measured = evidence(
        {"orders": by_arm(2.0, 2.2, 2.1)}, novelty={"orders": {"control": moments(0.0), "c": moments(0.3)}}
    )
    absent, there = infer(plan(treatments=2), measured)[0].novelty
    assert absent.reasons == (Reason.NO_UNITS,)
    assert there.significant


def test_what_calibration_found_goes_with_its_metric() -> None:

    badge = Calibration(
        metric="orders",
        method="mean",
        runs=1_000,
        units=5_000,
        false_positives=0.05,
        coverage=0.95,
        uniformity_p=0.4,
        alpha=0.05,
        passed=True,
    )
    results = infer(plan((PRIMARY, GUARDRAIL)), evidence({}, calibrations={"orders": badge}))
    assert (results[0].calibration, results[1].calibration) == (badge, None)


@pytest.mark.parametrize("fraction", [0.0005, 0.003, 0.004, 0.01, 0.02, 0.05])
@pytest.mark.parametrize("treatments", [1, 2])
def test_a_first_look_at_next_to_nothing_fails_nothing_and_finds_nothing(fraction: float, treatments: int) -> None:
    """Almost nothing may be spent yet: intervals are very wide, or there are none; a report of the first day stands."""
    looks = Looks(fractions=(fraction,), units=200, planned_units=round(200 / fraction), days=0.1)
    whole = plan((PRIMARY, *SECONDARY), treatments, stopping=Stopping.SPENDING, planned_units=looks.planned_units)
    measured = {metric.key: by_arm(2.0, 2.5, 2.1, n=100) for metric in whole.metrics}
    for one in comparisons(infer(whole, evidence(measured, looks))):
        assert one.effect == pytest.approx(0.5 if one.arm == "b" else 0.1)
        assert not one.significant
        if math.isnan(one.p_value):
            assert fraction < 0.01
            assert one.reasons == (Reason.TOO_EARLY,)
            assert all(math.isnan(part) for part in (one.ci_low, one.ci_high, one.rel_ci_low, one.critical))
        else:
            assert one.critical > 8
            assert one.ci_low < 0 < one.ci_high
            assert 0.05 < one.p_value <= 1
