"""What stands beside the table of metrics, line by line, through a whole report."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from experiments.contracts import (
    Calibration,
    Correction,
    Direction,
    Kind,
    Looks,
    Plan,
    PlannedMetric,
    Role,
    Scale,
    Standing,
    Stopping,
)
from experiments.evidence import Evidence
from experiments.inference.metrics import infer
from experiments.rendering import to_markdown, to_text
from experiments.rendering.details import chance, conditions, details, lines_of
from experiments.reports import build_report
from experiments.stats.counts import Counts
from experiments.stats.moments import Moments
from tests.experiments.inference.planned import GUARDRAIL, PRIMARY, SECONDARY, by_arm, evidence, moments, plan

NO_NUMBER = re.compile(r"\b(nan|inf)\b", re.IGNORECASE)
REVENUE = PlannedMetric(key="orders", name="Revenue", kind=Kind.MEAN, role=Role.PRIMARY, scale=Scale.MONEY)


def lines(whole: Plan, measured: Evidence, position: int = 0) -> list[str]:
    return [line.text for line in lines_of(whole, infer(whole, measured)[position])]


def said(whole: Plan, measured: Evidence, start: str) -> str:
    """The only line that starts like this."""
    (line,) = (one for one in lines(whole, measured) if one.startswith(start))
    return line


# ---- how the result may be read


def conditions_of(whole: Plan, looks: Looks | None = None) -> list[str]:
    measured = {metric.key: by_arm(2.0, 2.1, 2.2, 2.0) for metric in whole.metrics}
    return [line.text for line in conditions(build_report(whole, evidence(measured, looks)))]


def test_it_says_how_often_the_result_may_be_read() -> None:
    assert conditions_of(plan()) == ["Read once, at the end."]
    looks = Looks(fractions=(0.25, 0.5), units=2_000, planned_units=4_000)
    assert conditions_of(plan(stopping=Stopping.SPENDING, planned_units=4_000), looks) == [
        "Planned end at 4,000 units, looks in between: intervals and p-values hold at every look "
        "(O'Brien-Fleming type spending, look 2 at 50% of the plan)."
    ]
    assert conditions_of(plan(stopping=Stopping.SEQUENCE)) == [
        "No planned end: intervals and p-values hold at every look (asymptotic confidence sequence)."
    ]


def test_it_names_every_correction_once() -> None:
    metrics = (PRIMARY, GUARDRAIL, *SECONDARY)
    assert conditions_of(plan(metrics, treatments=3))[1:] == [
        "Primary metric and guardrails: intervals and p-values account for 3 treatments (Dunnett).",
        "Secondary metrics: intervals and p-values account for all comparisons among them (Benjamini-Hochberg).",
    ]
    assert conditions_of(plan(treatments=2, stopping=Stopping.SEQUENCE))[1:] == [
        "Primary metric and guardrails: intervals and p-values account for 2 treatments (Šidák)."
    ]


def test_before_the_first_look_no_number_is_missing_from_the_sentence() -> None:
    whole = plan(stopping=Stopping.SPENDING, planned_units=4_000, complete=False)
    report = build_report(whole, Evidence(source=evidence({}).source, units={}, moments={}))
    (line,) = conditions(report)
    assert line.text.endswith("look 1 at 0% of the plan).")


# ---- one metric


def test_a_metric_that_cannot_answer_has_nothing_to_say() -> None:
    assert lines(plan((replace(PRIMARY, covariates=("x",), winsor=0.9),)), evidence({}, caps={"orders": 3.0})) == []
    assert list(details(build_report(plan(), evidence({})))) == []


def test_cap_covariates_and_what_they_change_are_told() -> None:
    rng = np.random.default_rng(8)
    before = {arm: rng.gamma(2, 500, 500) for arm in ("control", "b")}
    capped = {arm: Moments.from_arrays(x + rng.normal(0, 300, 500), x) for arm, x in before.items()}
    raw = {arm: moments(mean, n=500, variance=1e6) for arm, mean in (("control", 1_000.0), ("b", 1_100.0))}
    whole = plan((replace(REVENUE, covariates=("before",), winsor=0.99),), currency="CNY")
    told = lines(whole, evidence({"orders": capped}, raw={"orders": raw}, caps={"orders": 123_456.0}))
    assert told[0] == "Each unit counts up to CNY 1,234.56."
    # 500,000 of 590,000 is explained
    assert re.fullmatch(r"Covariates take away 8\d% of the variance\.", told[1])
    # by hand: se = 1,000 √(2 / 500) = 63.2 cents; t = 1.58, 100 ± 1.962 · 63.2
    assert told[2] == "B, not capped: CNY +1.0 [CNY -0.2, CNY +2.2], p 0.1142."
    assert told[3].startswith("B, without covariates: CNY ")
    assert len(told) == 5


@pytest.mark.parametrize(
    ("visits", "n", "margin", "line"),
    [
        # se .01 of 2.0, t(39,998) = 1.96: −.976 %; one-sided z = .04 / √(1 + .98²) / √(1 / 20,000) = 4.04
        (2.0, 20_000, 0.02, "B: within the margin of 2% (harmful end of the interval -0.98%, one-sided p 2.7e-05)."),
        (1.9, 20_000, 0.02, "B: harmed (harmful end of the interval -6.0%)."),
        (1.99, 2_000, 0.02, "B: not shown to be within the margin of 2% (harmful end of the interval -3.5%)."),
        (2.0, 20_000, None, "B: no harm seen; without a margin none can be ruled out."),
        (1.9, 20_000, None, "B: harmed (harmful end of the interval -6.0%)."),
    ],
)
def test_a_guardrail_says_where_it_stands(visits: float, n: int, margin: float | None, line: str) -> None:
    whole = plan((replace(GUARDRAIL, margin=margin),))
    assert lines(whole, evidence({"visits": by_arm(2.0, visits, n=n)}))[0] == line


def test_a_guardrail_without_a_baseline_has_no_end_to_show() -> None:
    arms = {"control": moments(0.0, variance=0.0), "b": moments(0.01)}
    line = lines(plan((GUARDRAIL,)), evidence({"visits": arms}))[0]
    assert line == "B: not shown to be within the margin of 2% (harmful end of the interval –)."


def test_the_bayesian_line_has_chance_losses_and_interval() -> None:
    """By hand: N(100, 63.2²) cents: z = 1.581, Φ = .943; loss = 63.2 (φ(z) − z Φ(−z)) = 63.2 · .0242 = 1.53."""
    arms = {arm: moments(mean, n=500, variance=1e6) for arm, mean in (("control", 1_000.0), ("b", 1_100.0))}
    assert said(plan((REVENUE,), currency="CNY"), evidence({"orders": arms}), "B: chance") == (
        "B: chance to beat control 94.3%; expected loss CNY 0.02 if shipped, CNY 1.02 if not "
        "(95% credible interval CNY -0.2 to CNY +2.2)."
    )


def test_a_chance_is_never_certain() -> None:
    assert [chance(p) for p in (0.0, 0.0009, 0.001, 0.5, 0.999, 0.9991, 1.0)] == [
        "<0.1%", "<0.1%", "0.1%", "50.0%", "99.9%", ">99.9%", ">99.9%"
    ]  # fmt: skip


def test_the_chance_of_a_higher_value_is_told_where_there_are_values() -> None:
    scores = {"control": Counts.from_values([1, 2, 3, 4] * 50), "b": Counts.from_values([2, 3, 4, 5] * 50)}
    measured = evidence({"orders": by_arm(2.5, 3.5, n=200)}, values={"orders": scores})
    # by hand: of 16 pairs 10 are higher and 3 equal, 11.5 / 16; placements .375 .625 .875 1
    # vary by .0579 in either arm, so se = √(2 · .0579 / 200) = .0241 and t(398) = 1.966
    assert said(plan(), measured, "B: chance of a higher value") == (
        "B: chance of a higher value than control 71.9% (95% interval 67.1% to 76.6%, p <1e-17); 50% is even."
    )


def test_segments_are_named_behind_the_gate_only() -> None:
    alike = {"country": {"de": by_arm(2.0, 2.1), "": by_arm(2.0, 2.1), "fr": {}}}
    told = lines(plan(), evidence({"orders": by_arm(2.0, 2.1)}, segments={"orders": alike}))[-3:]
    assert told[0] == "B by country: no sign that the effect differs (Cochran's Q, p 1.0000)."
    # by hand: t = .1 / √.002 = 2.236
    assert told[1] == "de: +0.100 shrunk to the mean, +0.100 as measured, p 0.0255."
    assert told[2].startswith("–: ")
    apart = {"country": {"de": by_arm(2.0, 2.0), "fr": by_arm(2.0, 2.4)}}
    told = lines(plan(), evidence({"orders": by_arm(2.0, 2.1)}, segments={"orders": apart}))[-3:]
    # by hand: Q = 2 · .2² / .002 = 40
    assert told[0] == "B by country: the effect differs (Cochran's Q, p 2.5e-10)."
    assert told[1] == "de: +0.005 shrunk to the mean, +0.000 as measured, p 1.0000."
    assert re.fullmatch(r"fr: \+0\.395 shrunk to the mean, \+0\.400 as measured, p <1e-1\d; stands out\.", told[2])


def test_one_segment_alone_says_nothing() -> None:
    measured = evidence({"orders": by_arm(2.0, 2.1)}, segments={"orders": {"country": {"de": by_arm(2.0, 2.1)}}})
    assert not any("by country:" in line and "stratified" not in line for line in lines(plan(), measured))


def test_novelty_says_whether_the_effect_changes() -> None:
    for late, line in (
        (-0.3, "B: the effect changes from a unit's first to its second week by -0.300 (p 2.6e-11)."),
        (0.0, "B: no sign that the effect changes from a unit's first to its second week (p 1.0000)."),
    ):
        measured = evidence({"orders": by_arm(2.0, 2.1)}, novelty={"orders": by_arm(0.0, late)})
        assert lines(plan(), measured)[-1] == line


def test_the_novelty_of_a_click_rate_is_of_clicks() -> None:
    ctr = PlannedMetric(key="ctr", name="CTR", kind=Kind.RATIO, role=Role.PRIMARY, scale=Scale.SHARE)
    pairs = {arm: Moments.from_arrays([1.0, 2.0, 4.0] * 50, [5.0, 7.0, 9.0] * 50) for arm in ("control", "b")}
    told = lines(plan((ctr,)), evidence({"ctr": pairs}, novelty={"ctr": by_arm(0.0, -0.3)}))
    assert told[-1] == "B: the effect changes from a unit's first to its second week by -0.300 (p 2.6e-11)."


@pytest.mark.parametrize(
    ("passed", "line"),
    [
        (True, "Self-check passed: 4.9% false alarms in 1000 re-randomised tests."),
        (False, "Self-check FAILED: 4.9% false alarms in 1000 re-randomised tests."),
    ],
)
def test_the_self_check_is_a_badge(passed: bool, line: str) -> None:
    badge = Calibration(metric="orders", method="mean", runs=1_000, units=500, false_positives=0.049, coverage=0.95,
                        uniformity_p=0.5, alpha=0.05, passed=passed)  # fmt: skip
    assert lines(plan(), evidence({"orders": by_arm(2.0, 2.1)}, calibrations={"orders": badge}))[-1] == line


# ---- all of it


def test_text_and_document_show_the_same_lines() -> None:
    whole = plan((PRIMARY, GUARDRAIL), treatments=2)
    report = build_report(whole, evidence({"orders": by_arm(2.0, 2.1, 2.2), "visits": by_arm(2.0, 2.0, 1.9)}))
    told = [line.text for detail in details(report) for line in detail.lines]
    assert [detail.metric for detail in details(report)] == ["Orders", "Visits"]
    text, document = (" ".join(render(report).split()) for render in (to_text, to_markdown))
    for line in told:
        assert line in text
        assert line in document.replace("\\", "")


@pytest.mark.parametrize("stopping", Stopping)
@pytest.mark.parametrize("control", [math.nan, 0.0, 1e-300, -2.0, 2.0, 1e12])
@pytest.mark.parametrize("treatment", [math.nan, 0.0, 2.0, 2.2])
@pytest.mark.parametrize("variance", [0.0, 1e-30, 1.0, 1e20])
def test_no_line_ever_shows_nan(stopping: Stopping, control: float, treatment: float, variance: float) -> None:
    arms = by_arm(control, treatment, 2.0, variance=variance)
    metrics = (replace(PRIMARY, winsor=0.9), replace(GUARDRAIL, direction=Direction.DECREASE), SECONDARY[0])
    whole = plan(metrics, treatments=2, stopping=stopping, planned_units=4_000, prior_sd=0.1, currency="CNY")
    report = build_report(
        whole,
        evidence(
            {metric.key: arms for metric in metrics},
            Looks(fractions=(0.5,), units=3_000, planned_units=4_000, days=1.0),
            raw={"orders": arms},
            novelty={"orders": arms},
            segments={"orders": {"country": {"de": arms, "fr": by_arm(2.0, 2.1, 2.0), "it": {}}}},
        ),
    )
    assert {one.standing for one in report.metrics[1].guardrails} <= set(Standing)
    assert report.metrics[2].correction is Correction.FALSE_DISCOVERY
    for render in (to_text, to_markdown):
        assert not NO_NUMBER.search(render(report))
