"""Where intervals are drawn: whatever the figures are, the picture stays inside its frame and does not lie."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.web.intervals import MARGIN, WIDTH, Axis, axis_for, draw

SIDE = st.floats(min_value=-100.0, max_value=100.0).map(lambda side: round(side, 6))
SIDE_OR_NONE = SIDE | st.sampled_from([-math.inf, math.inf])
INTERVALS = st.lists(st.tuples(SIDE, SIDE).map(sorted).map(tuple))


def test_0_is_in_the_middle():
    assert axis_for([(-0.01, 0.4)]).place(0.0) == WIDTH / 2


def test_the_ends_are_round_numbers():
    assert axis_for([(-0.071, 0.03)]).limit == 0.08
    assert [value for _, value in axis_for([(0.0, 0.2)]).ticks] == [-0.2, 0.0, 0.2]


def test_nothing_to_draw_still_has_an_axis():
    assert axis_for([]).limit == axis_for([(math.nan, math.nan), (-math.inf, math.inf), (0.0, 0.0)]).limit == 0.1


def test_one_very_long_interval_is_clipped_and_the_others_stay_readable():
    axis = axis_for([(-0.05, 0.05), (-0.04, 0.06), (-0.06, 0.05), (-3.0, 9.0)])
    assert axis.limit == 0.2
    bar = draw(2.0, -3.0, 9.0, axis)
    assert (bar.arrow_low, bar.arrow_high, bar.point) == (True, True, None)


@pytest.mark.parametrize(("low", "high"), [(math.nan, math.nan), (math.nan, 1.0), (0.0, math.nan)])
def test_an_absent_interval_has_no_bar(low, high):
    assert draw(0.1, low, high, Axis(limit=1.0)) is None


def test_an_unbounded_side_has_an_arrow():
    bar = draw(0.5, 0.2, math.inf, Axis(limit=1.0))
    assert (bar.arrow_low, bar.arrow_high) == (False, True)
    assert bar.end == WIDTH - MARGIN


def test_an_interval_beyond_the_end_points_there_and_not_back():
    bar = draw(2.5, 2.0, 3.0, Axis(limit=1.0))
    assert (bar.arrow_low, bar.arrow_high, bar.point) == (False, True, None)


@given(intervals=INTERVALS, effect=SIDE, sides=st.tuples(SIDE_OR_NONE, SIDE_OR_NONE).map(sorted))
def test_every_bar_is_inside_its_frame_and_runs_from_left_to_right(intervals, effect, sides):
    bar = draw(effect, *sides, axis_for(intervals))
    assert MARGIN <= bar.start <= bar.end <= WIDTH - MARGIN
    assert bar.point is None or MARGIN <= bar.point <= WIDTH - MARGIN


@given(intervals=INTERVALS, low=SIDE, high=SIDE)
def test_a_bar_touches_0_exactly_when_the_interval_holds_it(intervals, low, high):
    low, high = sorted((low, high))
    bar = draw(low, low, high, axis_for(intervals))
    assert (low <= 0 <= high) == (bar.start <= WIDTH / 2 <= bar.end)


@given(intervals=INTERVALS, value=SIDE)
def test_swapping_the_arms_mirrors_the_picture(intervals, value):
    axis = axis_for(intervals)
    mirrored = axis_for((-high, -low) for low, high in intervals)
    assert axis.place(value) + mirrored.place(-value) == pytest.approx(WIDTH)
