"""What a stopping plan costs in units: against the bounds' own crossing chances, and by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from experiments.contracts import Stopping
from experiments.stats.inflation import daily_looks, inflation
from experiments.stats.planning import Design
from experiments.stats.sequence import Sequence
from experiments.stats.spending import bounds, crossing_probability

LOOKS = (0.25, 0.5, 0.75, 1.0)


def test_one_look_costs_nothing() -> None:
    assert inflation(Stopping.ONCE, Design(), LOOKS) == 1
    assert inflation(Stopping.SPENDING, Design()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("design", [Design(), Design(power=0.9), Design(weights=(1, 1, 1)), Design(alpha=0.01)])
def test_with_the_units_of_its_factor_spending_has_the_planned_power(design: Design) -> None:
    factor = inflation(Stopping.SPENDING, design, LOOKS)
    one_look = stats.norm.isf(design.level / 2) + stats.norm.ppf(design.power)
    found = sum(crossing_probability(LOOKS, bounds(LOOKS, design.level), drift=one_look * factor**0.5))
    assert found == pytest.approx(design.power, abs=1e-6)


def test_the_factor_of_a_sequence_gives_the_power_to_the_last_unit_alone_and_more_to_all_looks() -> None:
    factor = inflation(Stopping.SEQUENCE, Design())
    drift = (stats.norm.isf(0.025) + stats.norm.ppf(0.8)) * factor**0.5
    daily = [day / 28 for day in range(1, 29)]
    limits = [Sequence(n=one, planned_n=1.0).critical(0.05, 1e9) for one in daily]
    assert stats.norm.sf(limits[-1] - drift) == pytest.approx(0.8)
    assert sum(crossing_probability(daily, limits, drift=drift)) == pytest.approx(0.849, abs=0.001)


def test_a_sequence_with_several_arms_is_tuned_for_alpha_and_read_at_the_level() -> None:
    design = Design(weights=(1, 1, 1))
    critical = Sequence(n=900.0, planned_n=900.0, alpha=0.05).critical(design.level, 1e9)
    z = stats.norm.ppf(0.8)
    expected = ((critical + z) / (stats.norm.isf(design.level / 2) + z)) ** 2
    assert inflation(Stopping.SEQUENCE, design) == pytest.approx(expected)


def test_a_factor_is_never_below_one() -> None:
    assert inflation(Stopping.SPENDING, Design(alpha=0.9, power=0.95), LOOKS) > 1
    assert inflation(Stopping.SPENDING, Design(alpha=0.9, power=0.95), (1.0,)) == 1


def test_looks_are_daily_until_the_units_are_in() -> None:
    assert daily_looks([100, 300, 600, 1000, 2000], 1000) == (0.1, 0.3, 0.6, 1.0)
    assert daily_looks([1500], 1000) == (1.0,)


@pytest.mark.parametrize("arrivals", [[], [0.0, 10.0, 20.0]])
def test_where_the_units_never_come_there_are_fifty_even_looks(arrivals: list[float]) -> None:
    looks = daily_looks(arrivals, 1000)
    assert len(looks) == 50
    assert (looks[0], looks[24], looks[-1]) == (0.02, 0.5, 1.0)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 500), min_size=1, max_size=400), st.integers(1, 20_000))
def test_there_are_at_most_fifty_rising_looks_and_the_last_is_one(new: list[int], units: int) -> None:
    total = [float(sum(new[: day + 1])) for day in range(len(new))]
    looks = daily_looks(total, units)
    assert 1 <= len(looks) <= 50
    assert looks[-1] == 1
    assert all(low < high for low, high in pairwise((0.0, *looks)))
