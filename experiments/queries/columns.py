"""The columns of one metric in the ``units`` step, by kind of metric."""

from __future__ import annotations

from collections.abc import Callable

from experiments.contracts import Kind, MetricDefinition, Term
from experiments.errors import InvalidInput

Bind = Callable[[Term, int | None], str]  # a term and its window in days; returns the column of its per-unit sum


def _total(terms: tuple[Term, ...], metric: MetricDefinition, bind: Bind) -> str:
    if not terms:
        raise InvalidInput("metric", f"{metric.key} needs at least one event to count or sum")
    signed = [("- " if term.sign < 0 else "+ ") + bind(term, metric.window_days) for term in terms]
    return " ".join(signed).removeprefix("+ ")


def _mean(metric: MetricDefinition, bind: Bind) -> tuple[str, ...]:
    return (_total(metric.numerator, metric, bind),)


def _proportion(metric: MetricDefinition, bind: Bind) -> tuple[str, ...]:
    return (f"CASE WHEN {_total(metric.numerator, metric, bind)} > 0 THEN 1 ELSE 0 END",)


def _ratio(metric: MetricDefinition, bind: Bind) -> tuple[str, ...]:
    return (_total(metric.numerator, metric, bind), _total(metric.denominator, metric, bind))


BUILDERS: dict[Kind, Callable[[MetricDefinition, Bind], tuple[str, ...]]] = {
    Kind.MEAN: _mean,
    Kind.PROPORTION: _proportion,
    Kind.RATIO: _ratio,
    Kind.QUANTILE: _mean,
}


def unit_columns(metric: MetricDefinition, bind: Bind) -> tuple[str, ...]:
    """The SQL of a metric's columns: (numerator,), or (numerator, denominator) of a ratio."""
    return BUILDERS[metric.kind](metric, bind)
