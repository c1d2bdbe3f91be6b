import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.meta_analysis import combine_effects

from experiments.errors import InvalidInput
from experiments.stats.segments import heterogeneity, segment_gate

rows = st.lists(st.tuples(st.floats(-10, 10), st.floats(0.01, 10)), min_size=2, max_size=12)


def columns(table: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [effect for effect, _ in table], [se for _, se in table]


def test_three_segments_by_hand() -> None:
    found = heterogeneity([1.0, 2.0, 6.0], [1.0, 1.0, 1.0])
    assert (found.q, found.df, found.mean, found.tau2) == pytest.approx((14.0, 2, 3.0, 6.0))
    assert found.p_value == pytest.approx(math.exp(-7))  # the chi-square tail on two degrees of freedom
    assert found.mean_se == pytest.approx(3**-0.5)
    # B = 6/7; Var(mean) = 7/3; se² = 6/7 + (7/3 + 2 · 2²) / 49
    assert found.shrunk[0] == pytest.approx((3 - 2 * 6 / 7, math.sqrt(6 / 7 + (7 / 3 + 8) / 49)))


@given(rows)
def test_q_mean_and_tau_agree_with_statsmodels(table: list[tuple[float, float]]) -> None:
    effects, ses = columns(table)
    with np.errstate(all="ignore"):  # the peer divides by 0 where its τ² is below 0
        peer = combine_effects(np.array(effects), np.array(ses) ** 2, method_re="chi2")
    found = heterogeneity(effects, ses)
    scale = max(map(abs, effects)) + 1
    assert found.mean == pytest.approx(peer.mean_effect_fe, rel=1e-9, abs=1e-10 * scale)
    assert found.mean_se == pytest.approx(peer.sd_eff_w_fe, rel=1e-9)
    assert found.q == pytest.approx(peer.q, rel=1e-8, abs=1e-8)
    assert found.tau2 == pytest.approx(max(peer.tau2, 0), rel=1e-6, abs=1e-6)
    if found.q > 1e-6:  # a q that is rounding has a p-value that is off by its root
        assert found.p_value == pytest.approx(peer.test_homogeneity().pvalue, rel=1e-6, abs=1e-6)


@given(rows)
def test_shrunk_effects_lie_between_the_measured_one_and_the_mean(table: list[tuple[float, float]]) -> None:
    effects, ses = columns(table)
    found = heterogeneity(effects, ses)
    for effect, (shrunk, _) in zip(effects, found.shrunk, strict=True):
        low, high = sorted((effect, found.mean))
        assert low - 1e-9 <= shrunk <= high + 1e-9


@given(rows, st.floats(0.1, 1000), st.floats(-5, 5))
def test_scale_and_shift_pass_through(table: list[tuple[float, float]], scale: float, shift: float) -> None:
    effects, ses = columns(table)
    found = heterogeneity(effects, ses)
    moved = heterogeneity([scale * (d + shift) for d in effects], [scale * se for se in ses])
    assert moved.q == pytest.approx(found.q, rel=1e-6, abs=1e-6)
    assert moved.mean == pytest.approx(scale * (found.mean + shift), rel=1e-9, abs=1e-9 * scale)
    assert moved.mean_se == pytest.approx(scale * found.mean_se)


@given(rows)
def test_a_segment_that_cannot_answer_is_left_out_and_keeps_its_place(table: list[tuple[float, float]]) -> None:
    effects, ses = columns(table)
    alone = heterogeneity(effects, ses)
    found = heterogeneity([math.nan, *effects, 3.0, 4.0], [1.0, *ses, 0.0, math.nan])
    assert found.shrunk[1:-2] == alone.shrunk
    assert all(math.isnan(value) for place in (0, -1, -2) for value in found.shrunk[place])
    assert (found.q, found.df, found.mean, found.tau2) == (alone.q, alone.df, alone.mean, alone.tau2)


def test_equal_effects_are_all_drawn_to_their_mean() -> None:
    found = heterogeneity([0.5, 0.5, 0.5], [1.0, 2.0, 3.0])
    assert found.q == pytest.approx(0, abs=1e-30)
    assert (found.tau2, found.p_value) == (0, 1)
    assert found.shrunk == (pytest.approx((0.5, found.mean_se)),) * 3


def test_shrunk_effects_are_nearer_to_the_truth_and_say_how_near() -> None:
    rng = np.random.default_rng(20260311)
    ses = np.linspace(0.5, 2, 40)
    truth = rng.normal(1, 1, (500, 40))
    measured = truth + ses * rng.normal(size=truth.shape)
    shrunk = np.array([heterogeneity(row.tolist(), ses.tolist()).shrunk for row in measured])
    errors = shrunk[..., 0] - truth
    assert np.mean(errors**2) < 0.5 * np.mean((measured - truth) ** 2)
    assert 0.92 <= np.mean(np.abs(errors) <= 1.96 * shrunk[..., 1]) <= 0.97


@pytest.mark.parametrize(
    ("effects", "ses"), [([], []), ([1.0], [1.0]), ([1.0, math.nan], [1.0, 1.0]), ([1.0, 2.0], [1.0, 0.0])]
)
def test_fewer_than_two_segments_cannot_differ(effects: list[float], ses: list[float]) -> None:
    found = heterogeneity(effects, ses)
    assert all(map(math.isnan, (found.q, found.p_value, found.mean, found.mean_se, found.tau2)))
    assert len(found.shrunk) == len(effects)
    gate = segment_gate(effects, ses, [1e-9] * len(effects), 0.05)
    assert not gate.differs
    assert gate.stands_out == (False,) * len(effects)


@pytest.mark.parametrize(("effects", "ses"), [([1e300, -1e300], [1e-300, 1.0]), ([1.0, 2.0], [1e-250, 1e250])])
def test_absurd_sizes_neither_fail_nor_warn(effects: list[float], ses: list[float]) -> None:
    assert heterogeneity(effects, ses).df == 1


def test_the_gate_stays_shut_where_all_segments_gain_alike() -> None:
    gate = segment_gate([2.0, 2.1, 1.9], [0.1, 0.1, 0.1], [1e-80, 1e-90, 1e-70], 0.05)
    assert not gate.differs
    assert gate.stands_out == (False, False, False)
    assert gate.discoveries.rejected == 3


def test_behind_the_gate_a_small_p_value_must_still_hold_against_the_other_segments() -> None:
    effects, ses = [5.0, *[0.0] * 8, 2.1], [1.0] * 10
    p_values = [math.erfc(effect / math.sqrt(2)) for effect in effects]
    gate = segment_gate(effects, ses, p_values, 0.05)
    assert gate.differs
    assert p_values[-1] < 0.05
    assert gate.stands_out == (True, *[False] * 9)
    assert gate.discoveries.level == pytest.approx(0.005)


def test_a_segment_without_a_standard_error_is_no_member_of_the_family() -> None:
    gate = segment_gate([5.0, -5.0, 3.0], [1.0, 1.0, math.nan], [1e-6, 1e-6, 0.01], 0.05)
    assert gate.stands_out == (True, True, False)
    assert gate.discoveries.level == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("ses", "p_values", "alpha"), [([1.0], [0.1, 0.2], 0.05), ([1.0, 1.0], [0.1], 0.05), ([1.0, 1.0], [0.1, 0.2], 1.0)]
)
def test_senseless_input_is_refused(ses: list[float], p_values: list[float], alpha: float) -> None:
    with pytest.raises(InvalidInput):
        segment_gate([1.0, 2.0], ses, p_values, alpha)
