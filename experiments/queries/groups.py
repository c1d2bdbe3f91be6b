"""The columns of the ``units`` step: one group per set of numbers whose moments are wanted together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.contracts import Kind, MetricDefinition
from experiments.queries.columns import unit_columns
from experiments.queries.profiles import covariate_columns
from experiments.queries.terms import Terms, Window

NOVELTY_DAYS = 7  # a unit's first week, and the one after it


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Columns ``{name}_0``, ``{name}_1``… with their SQL; NULL for units that had less than ``ripe_days`` to respond.

    ``cubes`` asks for Σa³ of the first column too, for its skewness.
    """

    name: str
    columns: tuple[str, ...]
    ripe_days: int | None = None
    cubes: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(f"{self.name}_{i}" for i in range(len(self.columns)))

    def units(self) -> list[str]:
        """The columns as the ``units`` step has them."""
        ripe = f"first_at <= $seen_until - INTERVAL {self.ripe_days} DAY"
        return [
            f"{sql} AS {name}" if self.ripe_days is None else f"CASE WHEN {ripe} THEN {sql} END AS {name}"
            for sql, name in zip(self.columns, self.names, strict=True)
        ]


def main_group(
    position: int, metric: MetricDefinition, terms: Terms, caps: Mapping[str, int], figures: tuple[str, ...] = ()
) -> Group:
    """The metric as it is planned: (numerator[, denominator]), capped if a cap is given, then its covariates.

    These are the metric itself before exposure, and then ``figures`` of the profile.
    """
    values = columns_of(metric, terms)
    if metric.key in caps:
        values = (f"LEAST({values[0]}, $cap_{position})", *values[1:])
    covariates = columns_of(metric, terms, Window(before=metric.covariate_days)) if metric.covariate_days else ()
    return Group(
        name=f"m{position}",
        columns=values + covariates + (() if metric.kind is Kind.QUANTILE else covariate_columns(figures)),
        ripe_days=ripe_days(metric),
        cubes=metric.kind is Kind.MEAN,
    )


def other_groups(
    position: int, metric: MetricDefinition, terms: Terms, *, caps: Mapping[str, int], novelty: Sequence[str]
) -> list[Group]:
    """The same without the cap; and the change from the first week to the second, of the metrics that ask for it."""
    groups = []
    if metric.key in caps:
        groups.append(Group(name=f"r{position}", columns=columns_of(metric, terms), ripe_days=ripe_days(metric)))
    if metric.key in novelty:
        first = columns_of(metric, terms, Window(until=NOVELTY_DAYS))[0]
        second = columns_of(metric, terms, Window(after=NOVELTY_DAYS, until=2 * NOVELTY_DAYS))[0]
        change = (f"({second}) - ({first})",)
        groups.append(Group(name=f"d{position}", columns=change, ripe_days=2 * NOVELTY_DAYS))
    return groups


def columns_of(metric: MetricDefinition, terms: Terms, window: Window | None = None) -> tuple[str, ...]:
    """The SQL of a metric's columns over its own window, or over another one."""
    own = Window(after=metric.after_days, until=metric.window_days)
    return unit_columns(metric, lambda term, _days: terms.bind(term, window or own))


def ripe_days(metric: MetricDefinition) -> int | None:
    """How long a unit must have been exposed to count; None where any time will do."""
    return metric.window_days if metric.window_days is not None else metric.after_days
