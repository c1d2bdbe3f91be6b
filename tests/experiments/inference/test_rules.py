import math
from dataclasses import replace

import pytest
from scipy import stats

from experiments.contracts import Correction, Kind, Looks, PlannedArm, Reason, Scale, Stopping
from experiments.errors import InvalidInput
from experiments.inference.ripeness import conversions_of, ripe
from experiments.inference.rules import UNPLANNED_UNITS, Contrast, family_rules, look_rule
from experiments.stats.comparison import ONCE
from experiments.stats.dunnett import Dunnett
from experiments.stats.estimate import Estimate
from experiments.stats.rule import Sidak
from experiments.stats.sequence import Sequence, rho_squared
from experiments.stats.spending import Spending, bounds
from tests.experiments.inference.planned import PRIMARY, plan

LOOKS = Looks(fractions=(0.25, 0.5), units=2_000, planned_units=4_000, days=7.0)
DF = 1e9


def value(n: int = 1_000, var: float = 1.0) -> Estimate:
    return Estimate(n=n, mean=2.0, var=var)


def contrast(arm: str = "b", control: Estimate | None = None, treatment: Estimate | None = None) -> Contrast:
    return Contrast(arm=arm, control=control or value(), treatment=treatment or value())


def three(*variances: float) -> tuple[Contrast, ...]:
    return tuple(contrast(arm, treatment=value(var=var)) for arm, var in zip("bcd", variances, strict=False))


def test_one_look_is_students_t() -> None:
    assert look_rule(plan(), LOOKS, contrast()) is ONCE


def test_a_planned_end_spends_over_the_looks_that_happened() -> None:
    rule = look_rule(plan(stopping=Stopping.SPENDING, planned_units=4_000), LOOKS, contrast())
    assert rule == Spending((0.25, 0.5))
    assert rule.critical(0.05, DF) == pytest.approx(bounds((0.25, 0.5), 0.05)[-1], abs=1e-6)


def test_before_the_first_unit_there_is_nothing_to_spend() -> None:
    assert look_rule(plan(stopping=Stopping.SPENDING, planned_units=4_000), Looks(), contrast()) is ONCE


def test_spending_up_to_an_unknown_number_of_units_is_refused() -> None:
    with pytest.raises(InvalidInput, match="planned_units: none given"):
        look_rule(plan(stopping=Stopping.SPENDING), LOOKS, contrast())


def test_a_sequence_without_planned_units_is_tuned_for_a_guess() -> None:
    assert look_rule(plan(stopping=Stopping.SEQUENCE), LOOKS, contrast()) == Sequence(
        n=2_000.0, planned_n=UNPLANNED_UNITS, alpha=0.05
    )


def test_a_sequence_is_tuned_for_the_units_that_its_two_arms_are_planned_to_have() -> None:
    whole = plan(treatments=2, stopping=Stopping.SEQUENCE, planned_units=4_000)
    uneven = replace(whole, arms=(PlannedArm(key="control", weight=2.0), *whole.arms[1:]))
    early = look_rule(uneven, replace(LOOKS, units=9), contrast())
    assert early == Sequence(n=2_000.0, planned_n=3_000.0, alpha=0.05)
    assert look_rule(uneven, LOOKS, contrast(), share=0.1) == Sequence(n=2_000.0, planned_n=300.0, alpha=0.05)


def test_the_tuning_is_the_same_at_every_look() -> None:
    """A sequence whose tuning followed what came in would not be one sequence."""
    whole = plan(stopping=Stopping.SEQUENCE, planned_units=4_000, alpha=0.1)
    tunings = set()
    for n in (120, 700, 2_600):
        rule = look_rule(whole, Looks(units=3 * n), contrast(control=value(n), treatment=value(n + 7)))
        assert isinstance(rule, Sequence)
        tunings.add(rule.mixture / rule.n)
    assert max(tunings) == pytest.approx(rho_squared(0.1, 4_000.0))
    assert max(tunings) == pytest.approx(min(tunings))


def test_a_sequence_of_no_units_judges_nothing() -> None:
    nobody = Estimate(n=0, mean=math.nan, var=math.nan, reasons=(Reason.NO_UNITS,))
    assert look_rule(plan(stopping=Stopping.SEQUENCE), LOOKS, contrast(control=nobody, treatment=nobody)) is ONCE


def test_one_treatment_needs_no_correction() -> None:
    assert family_rules(plan(), LOOKS, (contrast(),)) == ((ONCE,), Correction.NONE)
    assert family_rules(plan(), LOOKS, ()) == ((), Correction.NONE)


def test_several_treatments_and_one_look_are_dunnetts() -> None:
    rules, correction = family_rules(plan(treatments=3), LOOKS, three(1.0, 1.0, 3.0))
    assert correction is Correction.DUNNETT
    assert isinstance(rules[0], Dunnett)
    assert rules[0].loadings == pytest.approx((0.5, 0.5, 0.25))
    assert len(set(rules)) == 1
    plain, widest = stats.norm.isf(0.025), stats.norm.isf((1 - 0.95 ** (1 / 3)) / 2)
    assert plain < rules[0].critical(0.05, DF) < widest


@pytest.mark.parametrize("stopping", [Stopping.SPENDING, Stopping.SEQUENCE])
def test_several_treatments_and_many_looks_are_sidaks(stopping: Stopping) -> None:
    whole = plan(treatments=3, stopping=stopping, planned_units=4_000)
    contrasts = three(1.0, 2.0, 3.0)
    rules, correction = family_rules(whole, LOOKS, contrasts)
    assert correction is Correction.SIDAK
    assert rules == tuple(Sidak(rule=look_rule(whole, LOOKS, one), comparisons=3) for one in contrasts)


@pytest.mark.parametrize("variance", [math.nan, math.inf])
def test_an_arm_that_cannot_answer_leaves_sidak_for_the_others(variance: float) -> None:
    rules, correction = family_rules(plan(treatments=3), LOOKS, three(1.0, variance, 1.0))
    assert correction is Correction.SIDAK
    assert rules == (Sidak(rule=ONCE, comparisons=3),) * 3


def test_a_treatment_without_variance_is_still_dunnetts() -> None:
    """Its comparison has the control's noise alone."""
    rules, correction = family_rules(plan(treatments=2), LOOKS, three(0.0, 1.0))
    assert correction is Correction.DUNNETT
    assert isinstance(rules[0], Dunnett)
    assert rules[0].loadings == pytest.approx((1.0, 0.5))


@pytest.mark.parametrize(
    ("units", "conversions", "judged"),
    [
        ((100, 100), (20, 20), True),
        ((99, 100), (20, 20), False),
        ((100, 99), (20, 20), False),
        ((100, 100), (19, 20), False),
        ((100, 100), (20, 19), False),
        ((100, 100), (None, None), True),
        ((99, 100), (None, None), False),
    ],
)
def test_a_sequence_waits_for_a_hundred_units_and_twenty_conversions_an_arm(
    units: tuple[int, int], conversions: tuple[float | None, float | None], judged: bool
) -> None:
    one = contrast(control=value(units[0]), treatment=value(units[1]))
    kept = ripe(plan(stopping=Stopping.SEQUENCE), one, conversions=conversions)
    assert (kept == one) is judged
    assert kept.treatment.reasons == (() if judged else (Reason.TOO_EARLY,))
    assert kept.treatment.mean == one.treatment.mean
    assert ripe(plan(), one, conversions=conversions) is one


def test_what_cannot_answer_keeps_its_own_reason() -> None:
    missing = Estimate(n=5, mean=math.nan, var=math.nan, reasons=(Reason.MISSING,))
    kept = ripe(plan(stopping=Stopping.SEQUENCE), contrast(treatment=missing), conversions=(None, None))
    assert kept.treatment.reasons == (Reason.MISSING,)


def test_only_shares_count_conversions() -> None:

    assert conversions_of(PRIMARY, 7.0) is None
    assert conversions_of(replace(PRIMARY, kind=Kind.PROPORTION), 7.0) == 7.0
    assert conversions_of(replace(PRIMARY, kind=Kind.RATIO, scale=Scale.SHARE), 7.0) == 7.0
    assert conversions_of(replace(PRIMARY, kind=Kind.QUANTILE, scale=Scale.SHARE), math.nan) is None
