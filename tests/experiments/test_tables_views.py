"""What an analyst may ask of a file beside plain metrics: covariates, caps, segments, quantiles, scores, guardrails."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from experiments.contracts import Action, Correction, Kind, Report, Role, Scale, Severity, Standing
from experiments.errors import InvalidInput, InvalidTable
from experiments.stats.counts import Counts, nonzero_quantile
from experiments.stats.quantile import quantile_estimate
from experiments.stats.ranks import superiority
from experiments.tables import Ratio, TableSpec, analyze_table


@pytest.fixture
def analyse(tmp_path):
    """A frame, analysed as CSV."""

    def analyse(frame: pd.DataFrame, **spec) -> Report:
        frame.to_csv(tmp_path / "t.csv", index=False)
        return analyze_table(tmp_path / "t.csv", TableSpec(**{"arm": "arm", "control": "a"} | spec))

    return analyse


@pytest.fixture
def evidence_of(analyse, monkeypatch):
    """The evidence behind the report of a frame."""

    def evidence_of(frame: pd.DataFrame, **spec):
        seen = []
        monkeypatch.setattr("experiments.tables.analysis.build_report", lambda plan, evidence: seen.append(evidence))
        with pytest.raises(AttributeError):  # there is no report
            analyse(frame, **spec)
        return seen[0]

    return evidence_of


def shop(n: int = 400, seed: int = 1) -> pd.DataFrame:
    """Users with a habit that their spending follows."""
    rng = np.random.default_rng(seed)
    before = rng.gamma(2, 20, n).round(2)
    return pd.DataFrame(
        {
            "user": np.arange(n),
            "arm": rng.choice(["a", "b"], n),
            "spend": (0.8 * before + rng.normal(20, 5, n)).clip(0).round(2),
            "clicks": rng.poisson(before / 10),
            "views": 1 + rng.poisson(before / 2),
            "before": before,
            "age": rng.integers(18, 70, n),
            "region": rng.choice(["north", "south", "west"], n),
        }
    )


# Covariates


def test_a_covariate_adjusts_every_metric_as_a_regression_with_interactions_does(analyse):
    frame = shop()
    report = analyse(frame, number=("spend",), covariates=("before", "age"))
    result = report.metrics[0]
    centred = frame.assign(
        t=(frame.arm == "b") * 1.0, x=frame.before - frame.before.mean(), z=frame.age - frame.age.mean()
    )
    fit = smf.ols("spend ~ t * (x + z)", centred).fit(cov_type="HC2")
    assert result.comparisons[0].effect == pytest.approx(fit.params["t"], rel=1e-9)
    assert result.comparisons[0].se == pytest.approx(fit.bse["t"], rel=0.02)
    assert result.metric.covariates == ("before", "age")
    plain = analyse(frame, number=("spend",)).metrics[0].comparisons[0]
    (other,) = result.alternatives
    assert other.name == "unadjusted"
    assert other.comparisons[0].effect == pytest.approx(plain.effect, rel=1e-12)
    assert other.comparisons[0].se == pytest.approx(plain.se, rel=1e-12)


def test_a_covariate_of_one_metric_leaves_the_others_alone(analyse):
    report = analyse(shop(), money=("spend",), number=("clicks",), own_covariates={"spend": ("before",)})
    clicks, spend = report.metrics
    assert clicks.metric.covariates == ()
    assert not clicks.alternatives
    assert spend.metric.covariates == ("before",)
    assert spend.reduction > 0.5


def test_a_ratio_is_adjusted_too(analyse):
    ratio = Ratio(name="ctr", numerator="clicks", denominator="views")
    report = analyse(shop(), ratios=(ratio,), covariates=("before",))
    assert report.metrics[0].metric.kind is Kind.RATIO
    assert 0 <= report.metrics[0].reduction < 1


@pytest.mark.parametrize("unit", ["", "user"])
def test_a_unit_without_the_covariate_counts_as_an_average_one(evidence_of, unit):
    frame = shop(3000).sort_values("before")  # so that the first rows are no sample
    frame.loc[frame.user % 5 == 0, "before"] = np.nan
    evidence = evidence_of(frame, number=("spend",), covariates=("before",), unit=unit)
    filled = frame.assign(before=frame.before.fillna(frame.before.mean()))
    for arm, group in filled.groupby("arm"):
        moments = evidence.moments["spend"][arm]
        assert moments.n == len(group)
        assert moments.mean == pytest.approx((group.spend.mean(), group.before.mean()), rel=1e-9)
        covariance = np.cov(group.spend, group.before)
        assert np.array(moments.comoment) == pytest.approx(covariance * (len(group) - 1), rel=1e-9)
        assert evidence.before["before"][arm].n == frame[frame.arm == arm].before.notna().sum()
    (missing,) = evidence.exclusions
    assert (missing.code, missing.count) == ("missing:before", 600)
    assert "count as average" in missing.message.text


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"covariates": ("spend",)}, "“spend” is measured in the experiment"),
        ({"covariates": ("views",)}, "“views” is measured in the experiment"),
        ({"covariates": ("user",)}, "cannot be the unit and a covariate"),
        ({"covariates": ("arm",)}, "cannot be the arm"),
        ({"covariates": ("age", "age")}, "named twice"),
        ({"own_covariates": {"spnd": ("age",)}}, "did you mean “spend”"),
        ({"segments": ("clicks",)}, "“clicks” is measured in the experiment"),
        ({"segments": ("user",)}, "cannot be the unit and a segment"),
        ({"segments": ("arm",)}, "cannot be the arm"),
        ({"caps": {"ctr": 0.9}}, "no number and no money"),
        ({"caps": {"spend": 1.0}}, "above 0 and below 1"),
        ({"quantiles": (("age", 1.5),)}, "above 0 and below 1"),
        ({"quantiles": (("age", 0.5), ("age", 0.5))}, "named twice"),
        ({"guardrails": {"spend": 0.0}}, "above 0 and below 1"),
        ({"guardrails": {"spend": 0.1}, "primary": "spend"}, "the primary metric and a guardrail"),
        ({"planned_units": 0}, "must be 1 or more"),
    ],
)
def test_what_cannot_be_is_refused(analyse, spec, sentence):
    ratio = Ratio(name="ctr", numerator="clicks", denominator="views")
    with pytest.raises(InvalidInput) as error:
        analyse(shop(), money=("spend",), ratios=(ratio,), unit="user", **spec)
    assert sentence in str(error.value)


# Caps


def test_units_count_up_to_a_quantile_of_all_non_zero_values_of_all_arms(analyse):
    spend = [0.0] * 8 + [1, 2, 3, 4, 5, 6, 7, 8, 9, 1000]
    frame = pd.DataFrame({"arm": ["a", "b"] * 9, "spend": spend})
    result = analyse(frame, money=("spend",), caps={"spend": 0.9}).metrics[0]
    assert result.cap == 900  # the ninth of ten
    assert [arm.numerator for arm in result.arms] == [100 * (1 + 3 + 5 + 7 + 9), 100 * (2 + 4 + 6 + 8 + 9)]
    (raw,) = result.alternatives
    assert raw.name == "raw"
    assert [arm.numerator for arm in raw.arms] == [2500, 102_000]
    assert result.metric.winsor == 0.9


def test_a_cap_is_on_what_a_unit_spent_in_all_and_only_units_in_one_arm_set_it(analyse):
    frame = pd.DataFrame(
        {"user": list("ppqqrrstuu"), "arm": list("aaaabbbbab"), "x": [1, 1, 2, 3, 4, 4, 50, 0, 999, 999.0]}
    )
    result = analyse(frame, number=("x",), unit="user", caps={"x": 0.75}).metrics[0]  # p 2, q 5, r 8, s 50, t 0
    assert result.cap == 8
    assert [(arm.n, arm.numerator) for arm in result.arms] == [(2, 7), (3, 16)]


@pytest.mark.parametrize("unit", ["", "user"])
def test_a_cap_is_the_platforms_own_and_adjusted_values_are_capped(evidence_of, unit):
    frame = shop()
    evidence = evidence_of(frame, money=("spend",), caps={"spend": 0.95}, covariates=("before",), unit=unit)
    cap = nonzero_quantile(Counts.from_values((100 * frame.spend).round()), 0.95)
    assert evidence.caps["spend"] == cap
    for arm, group in frame.groupby("arm"):
        capped = np.minimum((100 * group.spend).round(), cap)
        assert evidence.moments["spend"][arm].mean == pytest.approx((capped.mean(), group.before.mean()))
        assert evidence.raw["spend"][arm].mean == pytest.approx((100 * group.spend.mean(),))
        expected = np.cov(capped, group.before) * (len(group) - 1)
        assert np.array(evidence.moments["spend"][arm].comoment) == pytest.approx(expected, rel=1e-9)


def test_where_nothing_was_spent_there_is_nothing_to_cap(analyse):
    frame = pd.DataFrame({"arm": list("aabb"), "x": [0, 0, 0, 0]})
    result = analyse(frame, number=("x",), caps={"x": 0.9}).metrics[0]
    assert math.isnan(result.cap)
    assert [arm.numerator for arm in result.arms] == [0, 0]


# Segments


@pytest.mark.parametrize("unit", ["", "user"])
def test_segments_hold_the_moments_of_their_units(evidence_of, unit):
    frame = shop()
    frame.loc[frame.user % 7 == 0, "region"] = None
    frame["old"] = frame.age > 40
    evidence = evidence_of(frame, money=("spend",), segments=("region", "old"), unit=unit)
    assert set(evidence.segments["spend"]) == {"region", "old"}
    assert set(evidence.segments["spend"]["region"]) == {"north", "south", "west", "(none)"}
    assert set(evidence.segments["spend"]["old"]) == {"False", "True"}
    named = frame.assign(region=frame.region.fillna("(none)"))
    for (region, arm), group in named.groupby(["region", "arm"]):
        moments = evidence.segments["spend"]["region"][region][arm]
        assert moments.n == len(group)
        assert moments.mean[0] == pytest.approx(100 * group.spend.mean())
        assert moments.var[0] == pytest.approx(10_000 * group.spend.var())


def test_a_segment_where_the_effect_differs_is_found(analyse):
    frame = shop(4000)
    frame.loc[(frame.arm == "b") & (frame.region == "west"), "spend"] += 20
    (segments,) = analyse(frame, number=("spend",), segments=("region",)).metrics[0].segments
    assert segments.differs
    assert max(segments.segments, key=lambda one: one.shrunk).segment == "west"


def test_segments_are_few_and_constant_within_a_unit(analyse):
    frame = shop()
    with pytest.raises(InvalidTable, match="column age: more than 50 different values"):
        analyse(frame, number=("spend",), segments=("age",))
    late = pd.concat([shop(100_500).assign(region="north"), shop(60).assign(region=[f"r{i}" for i in range(60)])])
    with pytest.raises(InvalidTable, match="column region: more than 50 different values"):
        analyse(late, number=("spend",), segments=("region",))
    frame["user"] = frame.user // 2
    frame["arm"] = np.where(frame.user % 2 == 0, "a", "b")
    with pytest.raises(InvalidTable, match=r"column region: unit .* constant within a unit"):
        analyse(frame, number=("spend",), segments=("region",), unit="user")


# Quantiles and scores


@pytest.mark.parametrize("unit", ["", "user"])
def test_a_quantile_is_that_of_all_values(evidence_of, analyse, unit):
    frame = shop()
    spec = {"money": ("spend",), "quantiles": (("spend", 0.9), ("age", 0.5)), "unit": unit}
    evidence = evidence_of(frame, **spec)
    for arm, group in frame.groupby("arm"):
        counts = evidence.values["age: p50"][arm]
        assert (counts.values == np.unique(group.age)).all()
        assert counts.n == len(group)
        expected = quantile_estimate(
            Counts.from_values((100 * group.spend).round()), 0.9, rng=np.random.default_rng(0)
        ).mean
        found = evidence.values["spend: p90"][arm]
        assert quantile_estimate(found, 0.9, rng=np.random.default_rng(0)).mean == expected


def test_a_quantile_is_a_metric_of_its_own_kind_and_scale(analyse):
    report = analyse(shop(), money=("spend",), quantiles=(("spend", 0.9), ("age", 0.5)), covariates=("before",))
    _, spend, age = (result.metric for result in report.metrics)
    assert (spend.key, spend.kind, spend.scale, spend.quantile) == ("spend: p90", Kind.QUANTILE, Scale.MONEY, 0.9)
    assert (age.key, age.scale, age.covariates) == ("age: p50", Scale.NUMBER, ())
    assert all(math.isfinite(result.comparisons[0].p_value) for result in report.metrics)


def survey() -> pd.DataFrame:
    frame = shop(600)
    frame["rating"] = np.where(frame.user % 3 == 0, frame.age % 5 + 1, np.nan)
    return frame


@pytest.mark.parametrize("unit", ["", "user"])
def test_a_score_is_preceded_by_its_response_rate_and_compared_by_ranks_too(analyse, unit):
    frame = survey()
    report = analyse(frame, scores=("rating",), unit=unit)
    rate, score = report.metrics
    assert (rate.metric.key, rate.metric.kind) == ("rating: response rate", Kind.PROPORTION)
    for arm in "ab":
        group = frame[frame.arm == arm].rating
        of_rate = next(one for one in rate.arms if one.arm == arm)
        of_score = next(one for one in score.arms if one.arm == arm)
        assert (of_rate.n, of_rate.numerator) == (len(group), group.notna().sum())
        assert (of_score.n, of_score.mean) == (group.notna().sum(), pytest.approx(group.mean()))
    a, b = (frame[frame.arm == arm].rating.dropna() for arm in "ab")
    expected = superiority(Counts.from_values(a), Counts.from_values(b), alpha=0.05)
    assert score.superiorities[0].p_value == pytest.approx(expected.p_value)
    assert not report.exclusions


def test_a_unit_that_answered_twice_has_its_mean(analyse):
    frame = pd.DataFrame({"user": list("ppqrs"), "arm": list("aaabb"), "rating": [1, 4, 3, np.nan, 5]})
    rate, score = analyse(frame, scores=("rating",), unit="user").metrics
    assert [(arm.n, arm.numerator) for arm in rate.arms] == [(2, 2), (2, 1)]
    assert [(arm.n, arm.mean) for arm in score.arms] == [(2, 2.75), (1, 5)]


# Roles and plans


def test_a_guardrail_has_a_margin_and_a_standing(analyse):
    frame = shop(4000)
    frame.loc[frame.arm == "b", "clicks"] = 0
    report = analyse(frame, number=("clicks", "spend"), money=(), guardrails={"clicks": 0.02, "spend": None})
    assert [result.metric.role for result in report.metrics] == [Role.GUARDRAIL, Role.GUARDRAIL]
    assert report.metrics[0].guardrails[0].margin == 0.02
    assert report.metrics[0].guardrails[0].standing is Standing.HARMED
    assert report.metrics[0].correction is Correction.NONE


def test_the_first_metric_that_is_no_guardrail_decides(analyse):
    report = analyse(shop(), number=("clicks", "views"), guardrails={"clicks": 0.02})
    assert [result.metric.role for result in report.metrics] == [Role.GUARDRAIL, Role.PRIMARY]


def test_before_the_planned_units_are_in_nothing_is_decided(analyse):
    frame = shop()
    frame.loc[frame.arm == "b", "spend"] += 50
    early = analyse(frame, number=("spend",), planned_units=1000)
    assert early.verdicts[0].action is Action.KEEP_RUNNING
    assert early.looks.fractions == (0.4,)
    for planned in (400, None):
        assert analyse(frame, number=("spend",), planned_units=planned).verdicts[0].action is Action.SHIP


def test_a_skewed_metric_in_unequal_arms_is_warned_about(analyse):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"arm": np.where(np.arange(3000) % 10 == 0, "b", "a"), "x": rng.lognormal(0, 2, 3000)})
    report = analyse(frame, number=("x",), weights={"a": 9, "b": 1})
    assert next(one for one in report.findings if one.check == "skew").severity is Severity.WARNING
