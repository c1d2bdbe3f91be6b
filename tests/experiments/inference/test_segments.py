import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.contracts import Kind, Looks, Reason, Scale, Segments, Stopping
from experiments.inference.segments import segments_of
from experiments.stats.moments import Moments
from experiments.stats.sequence import Sequence
from tests.experiments.inference.planned import PRIMARY, by_arm, evidence, moments, plan

PLAN = plan()


def found(groups: dict[str, dict[str, Moments]], **changes: object) -> Segments:
    """The only dimension of the only treatment."""
    whole = plan(**changes)  # type: ignore[arg-type]
    (one,) = segments_of(whole, PRIMARY, evidence({}, segments={"orders": {"country": groups}}))
    return one


def test_effects_that_differ_open_the_gate_and_name_the_segment_that_stands_out() -> None:
    # se = √(2 / 1,000) = .0447 in each: effects of 0, .02 and .4 are 0, .4 and 8.9 of them
    segments = found({"de": by_arm(2.0, 2.0), "fr": by_arm(2.0, 2.02), "it": by_arm(2.0, 2.4)})
    assert (segments.dimension, segments.arm, segments.df) == ("country", "b", 2.0)
    # by hand: mean .14, Q = (.14² + .12² + .26²) / .002
    assert segments.q == pytest.approx((0.14**2 + 0.12**2 + 0.26**2) / 0.002)
    assert segments.differs
    assert [one.segment for one in segments.segments] == ["de", "fr", "it"]
    assert [one.stands_out for one in segments.segments] == [False, False, True]
    germany = segments.segments[0]
    assert (germany.n, germany.reasons) == (2_000, ())
    assert germany.effect < germany.shrunk < 0.14


def test_effects_that_are_alike_name_nothing_however_large_they_are() -> None:
    segments = found({"de": by_arm(2.0, 2.4), "fr": by_arm(2.0, 2.42)})
    assert not segments.differs
    assert not any(one.stands_out for one in segments.segments)
    assert all(one.p_value < 1e-6 for one in segments.segments)
    assert [one.shrunk for one in segments.segments] == pytest.approx([0.41, 0.41])


@given(
    st.lists(st.tuples(st.floats(1.8, 2.2), st.integers(2, 3_000)), min_size=1, max_size=8),
    st.sampled_from([0.01, 0.1]),
)
@settings(max_examples=100, deadline=None)
def test_an_interval_leaves_out_0_exactly_where_its_own_p_value_is_small(
    made: list[tuple[float, int]], alpha: float
) -> None:
    segments = found({str(i): by_arm(2.0, mean, n=n) for i, (mean, n) in enumerate(made)}, alpha=alpha)
    for one in segments.segments:
        assert (one.p_value <= alpha) == (one.ci_low > 0 or one.ci_high < 0)
        assert segments.differs or not one.stands_out


def test_every_dimension_and_treatment_is_asked_for_itself() -> None:
    groups = {"country": {"de": by_arm(2.0, 2.1, 2.0)}, "device": {"web": by_arm(2.0, 2.1, 2.0), "app": {}}}
    whole = plan(treatments=2)
    got = segments_of(whole, PRIMARY, evidence({}, segments={"orders": groups}))
    assert [(one.dimension, one.arm, len(one.segments)) for one in got] == [
        ("country", "b", 1),
        ("country", "c", 1),
        ("device", "b", 2),
        ("device", "c", 2),
    ]


def test_a_segment_that_lacks_an_arm_keeps_its_place_without_an_answer() -> None:
    segments = found(
        {
            "de": by_arm(2.0, 2.0),
            "fr": {"control": moments(2.0)},
            "it": by_arm(2.0, 2.4),
            "": {},
            "nan": by_arm(math.nan, 2),
        }
    )
    assert (segments.df, segments.differs) == (1.0, True)
    assert [one.reasons for one in segments.segments] == [
        (), (Reason.NO_UNITS,), (), (Reason.NO_UNITS,), (Reason.MISSING,)
    ]  # fmt: skip
    absent = segments.segments[1]
    assert absent.n == 1_000
    assert all(math.isnan(x) for x in (absent.effect, absent.se, absent.p_value, absent.shrunk, absent.shrunk_se))
    assert not absent.stands_out


@pytest.mark.parametrize(
    "groups",
    [
        {},
        {"de": by_arm(2.0, 3.0)},
        {"de": {}, "fr": {}},
        {"de": by_arm(2.0, 2.0, variance=0.0), "fr": by_arm(2.0, 3.0)},
    ],
    ids=["no segment", "one segment", "no units", "one segment that can answer"],
)
def test_fewer_than_two_segments_that_can_answer_open_no_gate(groups: dict[str, dict[str, Moments]]) -> None:
    segments = found(groups)
    assert math.isnan(segments.q)
    assert math.isnan(segments.p_value)
    assert (segments.df, segments.differs) == (0.0, False)


def test_covariates_in_the_moments_are_left_alone() -> None:
    metric = replace(PRIMARY, covariates=("before",))
    pairs = {arm: Moments.from_arrays([1.0, 2.0, 4.0], [5.0, 7.0, 9.0]) for arm in ("control", "b")}
    (got,) = segments_of(PLAN, metric, evidence({}, segments={"orders": {"country": {"de": pairs, "fr": pairs}}}))
    assert [(one.effect, one.n) for one in got.segments] == [(0.0, 6)] * 2


def test_ratios_are_compared_by_segment_and_quantiles_are_not() -> None:
    clicks = replace(PRIMARY, kind=Kind.RATIO)
    pairs = {arm: Moments.from_arrays([1.0, 2.0, 4.0], [5.0, 7.0, 9.0]) for arm in ("control", "b")}
    measured = evidence({}, segments={"orders": {"country": {"de": pairs, "fr": {"b": pairs["b"]}}}})
    (got,) = segments_of(PLAN, clicks, measured)
    assert [one.n for one in got.segments] == [6, 3]
    assert segments_of(PLAN, replace(PRIMARY, kind=Kind.QUANTILE), measured) == ()
    assert segments_of(PLAN, replace(PRIMARY, key="other"), measured) == ()


def test_looks_are_paid_for_in_every_segment() -> None:
    looks = Looks(fractions=(0.25, 0.5), units=4_000, planned_units=8_000)
    groups = {"de": by_arm(2.0, 2.1), "fr": by_arm(2.0, 2.1)}
    measured = evidence({}, looks, segments={"orders": {"country": groups}})
    (once,) = segments_of(PLAN, PRIMARY, measured)
    (looked,) = segments_of(plan(stopping=Stopping.SPENDING, planned_units=8_000), PRIMARY, measured)
    assert looked.segments[0].p_value > 0.05 > once.segments[0].p_value
    assert looked.q == once.q


def test_a_sequence_is_tuned_for_each_segments_share_of_the_plan() -> None:
    groups = {"de": by_arm(2.0, 2.1, n=3_000), "fr": by_arm(2.0, 2.1)}
    measured = evidence({}, Looks(units=8_000), segments={"orders": {"country": groups}})
    (got,) = segments_of(plan(stopping=Stopping.SEQUENCE, planned_units=8_000), PRIMARY, measured)
    germany, france = got.segments
    for one, n, planned in ((germany, 6_000, 6_000.0), (france, 2_000, 2_000.0)):
        critical = Sequence(n=n, planned_n=planned).critical(0.05, 1.0)
        assert (one.ci_high - one.ci_low) / 2 == pytest.approx(critical * one.se)


def test_a_sequence_waits_in_each_segment() -> None:
    groups = {"de": by_arm(0.5, 0.6, n=500, variance=0.25), "fr": by_arm(0.1, 0.9, n=150, variance=0.09)}
    shares = replace(PRIMARY, kind=Kind.PROPORTION, scale=Scale.SHARE)
    measured = evidence({}, segments={"orders": {"country": groups}})
    (got,) = segments_of(plan(stopping=Stopping.SEQUENCE), shares, measured)
    assert [one.reasons for one in got.segments] == [(), (Reason.TOO_EARLY,)]  # 15 conversions in France's control
    assert math.isnan(got.p_value)
