import math
from dataclasses import replace

import pytest

from experiments.contracts import Kind, MetricResult, PlannedMetric, Role, Scale
from experiments.inference.metrics import infer
from experiments.stats.moments import Moments
from experiments.verdict.money import money
from tests.experiments.inference.planned import PRIMARY, by_arm, evidence, plan

REVENUE = PlannedMetric(key="revenue", name="Revenue per user", kind=Kind.MEAN, scale=Scale.MONEY)


def sentence(
    *means: float, metrics: tuple[PlannedMetric, ...] = (REVENUE,), position: int = 0, currency: str = "CNY"
) -> str | None:
    whole = plan(metrics, len(means) - 1, currency=currency)
    # minor units: a standard deviation of CNY 10 on 5,000 users an arm
    measured = {metric.key: by_arm(*means, n=5_000, variance=1_000.0**2) for metric in metrics}
    message = money(whole, infer(whole, evidence(measured)), position)
    return message.text if message else None


def test_the_sentence_says_what_the_treatment_is_worth_for_all_units() -> None:
    """By hand: 60 cents more per user, se 20, t(9,998) = 1.9602: 20.8 to 99.2 cents; times 10,000 users."""
    assert sentence(1_200.0, 1_260.0) == (
        "Had all 10,000 units seen B, Revenue per user would differ by CNY +6,000 in all "
        "(95% interval CNY +2,080 to CNY +9,920)."
    )


def test_a_loss_has_its_sign() -> None:
    assert sentence(1_200.0, 1_140.0) == (
        "Had all 10,000 units seen B, Revenue per user would differ by CNY -6,000 in all "
        "(95% interval CNY -9,920 to CNY -2,080)."
    )


def test_money_is_written_in_the_experiments_currency() -> None:
    assert "by JPY +600,000 in all (95% interval JPY +207,960 to JPY +992,040)" in str(
        sentence(1_200.0, 1_260.0, currency="JPY")
    )
    assert "by +600,000 in all" in str(sentence(1_200.0, 1_260.0, currency=""))


def test_each_treatment_has_its_own_sentence_with_all_units_of_the_experiment() -> None:
    assert str(sentence(1_200.0, 1_260.0, 1_140.0, position=1)).startswith(
        "Had all 15,000 units seen C, Revenue per user would differ by CNY -9,000 in all (95% interval CNY -15,"
    )


def test_the_primary_metric_speaks_where_it_is_money_per_unit() -> None:
    other = replace(REVENUE, key="profit", name="Profit", role=Role.PRIMARY)
    assert "Profit would differ" in str(sentence(1_200.0, 1_260.0, metrics=(REVENUE, other)))
    assert "Revenue per user would differ" in str(sentence(1_200.0, 1_260.0, metrics=(PRIMARY, REVENUE)))


@pytest.mark.parametrize("change", [{"scale": Scale.NUMBER}, {"kind": Kind.QUANTILE}])
def test_without_money_per_unit_there_is_no_sentence(change: dict[str, object]) -> None:
    assert sentence(1_200.0, 1_260.0, metrics=(replace(REVENUE, **change),)) is None  # type: ignore[arg-type]


def test_an_order_value_is_no_money_per_unit() -> None:
    ratio = replace(REVENUE, kind=Kind.RATIO)
    whole = plan((ratio,))
    pairs = {arm: Moments.from_arrays([100.0, 300.0, 250.0], [1.0, 2.0, 1.0]) for arm in ("control", "b")}
    assert money(whole, infer(whole, evidence({"revenue": pairs})), 0) is None


@pytest.mark.parametrize("means", [(math.nan, 1_260.0), (1_200.0, math.nan)])
def test_data_that_cannot_answer_gives_no_sentence(means: tuple[float, float]) -> None:
    assert sentence(*means) is None


def test_nothing_measured_is_no_money() -> None:
    assert money(plan(()), (), 0) is None
    results: tuple[MetricResult, ...] = infer(plan((REVENUE,)), evidence({}))
    assert money(plan((REVENUE,)), results, 0) is None
