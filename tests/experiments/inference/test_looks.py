import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.contracts import Stopping
from experiments.inference.looks import SMALLEST_STEP, looks_of
from experiments.stats.spending import check_fractions
from tests.experiments.inference.planned import plan

PLAN = plan(planned_units=1_000)


@pytest.mark.parametrize(
    ("units", "earlier", "fractions"),
    [
        (500, [100, 300], (0.1, 0.3, 0.5)),
        (500, [300, 100, 300], (0.1, 0.3, 0.5)),
        (500, [], (0.5,)),
        (500, [0, 5, 9], (0.5,)),
        (500, [10], (0.01, 0.5)),
        (500, [490, 491, 500], (0.49, 0.5)),
        (500, [100, 105, 109, 110], (0.1, 0.11, 0.5)),
        (1_000, [500], (0.5, 1.0)),
        (1_200, [500, 1_000, 1_100], (0.5, 1.0)),
        (400, [500], (0.4,)),
        (3, [], (0.003,)),
    ],
    ids=[
        "as they were",
        "in order and once",
        "the first",
        "too early to count",
        "as early as counts",
        "too close to this one",
        "too close to each other",
        "the planned end",
        "units beyond the plan",
        "units that were taken back",
        "a first look at next to nothing",
    ],
)
def test_looks_are_fractions_of_the_planned_units(units: int, earlier: list[int], fractions: tuple[float, ...]) -> None:
    looks = looks_of(PLAN, units, earlier, days=4.0)
    assert looks.fractions == pytest.approx(fractions)
    assert (looks.units, looks.planned_units, looks.days) == (units, 1_000, 4.0)


def test_without_planned_units_or_without_units_there_is_no_fraction() -> None:
    assert looks_of(plan(), 500, [100], days=2.0).fractions == ()
    nothing = looks_of(PLAN, 0, [], days=math.nan)
    assert (nothing.fractions, nothing.units) == ((), 0)
    assert math.isnan(nothing.days)


@given(units=st.integers(1, 3_000), earlier=st.lists(st.integers(0, 3_000), max_size=60))
def test_the_fractions_are_what_the_spending_rule_takes(units: int, earlier: list[int]) -> None:
    fractions = looks_of(PLAN, units, earlier, days=1.0).fractions
    check_fractions(fractions)
    steps = [later - before for before, later in pairwise(fractions)]
    assert all(step >= SMALLEST_STEP - 1e-12 for step in steps)
    assert fractions[-1] == min(units / 1_000, 1.0)


def test_looks_that_had_all_planned_units_already_are_counted() -> None:
    planned = plan(planned_units=1_000, stopping=Stopping.SPENDING)
    assert looks_of(planned, 1_000, [400, 1_000], days=1.0).after_end == 0  # the same look again
    assert looks_of(planned, 1_200, [400, 1_000, 1_100], days=1.0).after_end == 2
    assert looks_of(planned, 900, [400], days=1.0).after_end == 0
