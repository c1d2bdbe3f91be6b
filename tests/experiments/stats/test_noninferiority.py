import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from experiments.contracts import Direction, Guardrail, Standing
from experiments.errors import InvalidInput
from experiments.stats.comparison import compare_estimates
from experiments.stats.estimate import Estimate
from experiments.stats.noninferiority import non_inferiority


def guardrail(
    control: float, treatment: float, *, margin: float | None = 0.02, direction: Direction = Direction.INCREASE
) -> Guardrail:
    c, t = (Estimate(n=5_000, mean=mean, var=4.0) for mean in (control, treatment))
    compared = compare_estimates(c, t, alpha=0.05, control_name="c", arm="t")
    return non_inferiority(c, t, compared, margin=margin, direction=direction)


@pytest.mark.parametrize(
    ("treatment", "direction", "standing"),
    [
        (10.0, Direction.INCREASE, Standing.HOLDS),
        (9.95, Direction.INCREASE, Standing.HOLDS),
        (9.87, Direction.INCREASE, Standing.HARMED),
        (9.0, Direction.INCREASE, Standing.HARMED),
        (9.0, Direction.DECREASE, Standing.HOLDS),
        (10.3, Direction.DECREASE, Standing.HARMED),
    ],
)
def test_harm_is_judged_on_its_side(treatment: float, direction: Direction, standing: Standing) -> None:
    assert guardrail(10.0, treatment, direction=direction).standing is standing


def test_wide_intervals_leave_it_open() -> None:
    c, t = (Estimate(n=50, mean=mean, var=4.0) for mean in (10.0, 9.9))
    compared = compare_estimates(c, t, alpha=0.05, control_name="c", arm="t")
    assert non_inferiority(c, t, compared, margin=0.02, direction=Direction.INCREASE).standing is Standing.OPEN


def test_the_p_value_is_the_one_sided_welch_test_against_the_margin() -> None:
    """scipy on the control scaled by 1 − margin: the same statistic, its degrees of freedom a little different."""
    c, t = Estimate(n=80, mean=10.0, var=4.0), Estimate(n=80, mean=9.9, var=4.0)
    compared = compare_estimates(c, t, alpha=0.05, control_name="c", arm="t")
    ours = non_inferiority(c, t, compared, margin=0.05, direction=Direction.INCREASE)
    theirs = stats.ttest_ind_from_stats(
        9.9, 2.0, 80, 9.5, 0.95 * 2.0, 80, equal_var=False, alternative="greater"
    ).pvalue
    assert ours.p_value == pytest.approx(theirs, rel=1e-3)


@given(
    mean=st.floats(0.5, 50),
    shift=st.floats(-0.2, 0.2),
    var=st.floats(0.01, 100),
    n=st.integers(20, 10_000),
    margin=st.floats(0.001, 0.5),
    direction=st.sampled_from(list(Direction)),
)
@settings(max_examples=300, deadline=None)
def test_it_holds_exactly_where_the_harmful_end_of_the_interval_lies_within_the_margin(
    mean: float, shift: float, var: float, n: int, margin: float, direction: Direction
) -> None:
    c, t = Estimate(n=n, mean=mean, var=var), Estimate(n=n, mean=mean * (1 + shift), var=var)
    compared = compare_estimates(c, t, alpha=0.05, control_name="c", arm="t")
    result = non_inferiority(c, t, compared, margin=margin, direction=direction)
    if math.isinf(result.bound) or math.isnan(result.bound):
        return
    harm = -result.bound if direction is Direction.INCREASE else result.bound
    if abs(harm - margin) > 1e-9:
        assert (result.standing is Standing.HOLDS) == (harm < margin)


def test_without_a_margin_only_harm_can_be_found() -> None:
    assert guardrail(10.0, 10.0, margin=None).standing is Standing.OPEN
    assert guardrail(10.0, 9.0, margin=None).standing is Standing.HARMED
    assert math.isnan(guardrail(10.0, 9.0, margin=None).p_value)


def test_a_control_below_zero_turns_the_margin_around() -> None:
    assert guardrail(-10.0, -10.05).standing is Standing.HOLDS
    assert guardrail(-10.0, -11.0).standing is Standing.HARMED


@pytest.mark.parametrize("margin", [0.0, 1.0, -0.1, 2.0])
def test_a_margin_out_of_range_is_refused(margin: float) -> None:
    with pytest.raises(InvalidInput, match="margin"):
        guardrail(10.0, 10.0, margin=margin)


def test_data_that_cannot_answer_gives_no_p_value() -> None:
    c, t = Estimate(n=5, mean=0.0, var=0.0), Estimate(n=5, mean=0.0, var=0.0)
    compared = compare_estimates(c, t, alpha=0.05, control_name="c", arm="t")
    result = non_inferiority(c, t, compared, margin=0.1, direction=Direction.INCREASE)
    assert math.isnan(result.p_value)
    assert result.standing is Standing.OPEN
