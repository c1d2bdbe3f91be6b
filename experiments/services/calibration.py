"""The A/A self-check of every metric on recent units, and the badges that it gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zlib import crc32

import numpy as np
import numpy.typing as npt
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from experiments.contracts import Calibration, Kind, MetricDefinition, Reason, Unit
from experiments.metrics.builtin import BUILTIN_METRICS
from experiments.models import CalibrationRecord, Experiment, Metric
from experiments.queries.query import Warehouse
from experiments.queries.recent import currency_query, recent_groups, recent_query
from experiments.selectors import metric_definitions
from experiments.stats.calibration import RUNS, Method, calibrate
from experiments.stats.estimate import width_of

DAYS = 28
MOST_UNITS = 100_000
METRICS_PER_QUERY = 4  # a row per unit comes back: that bounds the memory

Progress = Callable[[int, int], None]  # metrics and methods done, in all
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """Which units are divided at random. ``end`` is not included; ``lake_version`` seeds the draws."""

    end: datetime
    lake_version: int
    code_version: str
    days: int = DAYS
    limit: int = MOST_UNITS

    @property
    def start(self) -> datetime:
        """The first moment that counts."""
        return self.end - timedelta(days=self.days)


def recalibrate(
    warehouse: Warehouse,
    recent: Recent,
    *,
    runs: int = RUNS,
    progress: Progress = lambda _done, _total: None,
) -> tuple[CalibrationRecord, ...]:
    """Check every metric that has data with every method that it is compared by, and store the figures.

    The same lake version and settings give the same figures, and replace those that are there.
    """
    plan = {unit: _definitions(unit) for unit in _units_in_use()}
    total = sum(len(methods_of(metric)) for metrics in plan.values() for metric in metrics)
    records: list[CalibrationRecord] = []
    now, done = timezone.now(), 0
    progress(done, total)
    for unit, metrics in plan.items():
        for metric, columns in _read(warehouse, recent, unit, metrics):
            for method in methods_of(metric):
                if columns[: width_of(metric.kind)].any():
                    measured = calibrate_method(metric, method, columns, seed=(recent.lake_version, unit), runs=runs)
                    records.append(_record(measured, recent, unit, now))
                done += 1
                progress(done, total)
    _store(records)
    return tuple(records)


def calibrate_method(
    metric: MetricDefinition, method: Method, columns: Matrix, *, seed: tuple[int, Unit], runs: int
) -> Calibration:
    """One metric by one method. All methods of a metric see the same splits, so that their figures compare.

    Args:
        columns: shape (k, n): numerator, denominator of a ratio, covariates, not capped.
        seed: version of the lake, and unit.
    """
    version, unit = seed
    if method is not Method.PLAIN and metric.winsor is not None:
        columns = np.vstack([capped(columns[0], metric.winsor), columns[1:]])
    return calibrate(
        metric.key,
        metric.kind,
        columns,
        method=method,
        runs=runs,
        rng=np.random.default_rng([version, crc32(f"{unit}/{metric.key}".encode())]),
    )


def capped(values: Matrix, quantile: float) -> Matrix:
    """Values with those above a quantile of the non-zero ones, an order statistic, put down to it.

    >>> capped(np.array([0.0, 1.0, 2.0, 3.0, 100.0]), 0.75).tolist()
    [0.0, 1.0, 2.0, 3.0, 3.0]
    """
    paid = np.sort(values[values != 0])
    if not paid.size:
        return values
    cap: float = paid[max(math.ceil(quantile * paid.size) - 1, 0)]
    return np.minimum(values, cap)


def methods_of(metric: MetricDefinition) -> tuple[Method, ...]:
    """Plain, and every treatment that the metric asks for; the last one is what its headline comes from."""
    methods = [Method.PLAIN]
    if metric.winsor is not None:
        methods.append(Method.CAPPED)
    if metric.covariate_days:
        methods.append(Method.ADJUSTED)
    return tuple(methods)


def latest_calibrations(
    metrics: Iterable[MetricDefinition] | None = None, *, unit: Unit = Unit.USER
) -> dict[str, Calibration]:
    """Metric key → what the newest check says about the method behind the metric's headline.

    With the definitions of an experiment's metrics, exactly their methods; without, the last method of each metric. A
    metric that was not checked is left out.
    """
    newest = CalibrationRecord.objects.filter(unit=unit).aggregate(at=Max("computed_at"))["at"]
    found: dict[str, dict[Method, Calibration]] = {}
    for record in CalibrationRecord.objects.filter(unit=unit, computed_at=newest).order_by("metric_key"):
        found.setdefault(record.metric_key, {})[Method(record.method)] = calibration_of(record)
    if metrics is None:
        return {key: methods[max(methods, key=list(Method).index)] for key, methods in found.items()}
    wanted = {metric.key: methods_of(metric)[-1] for metric in metrics}
    return {key: found[key][method] for key, method in wanted.items() if method in found.get(key, {})}


def calibration_of(record: CalibrationRecord) -> Calibration:
    """A stored row as the contract has it."""
    return Calibration(
        metric=record.metric_key,
        method=record.method,
        runs=record.runs,
        units=record.units,
        false_positives=_number(record.false_positives),
        coverage=_number(record.coverage),
        uniformity_p=_number(record.uniformity_p),
        alpha=record.alpha,
        passed=record.passed,
        reasons=tuple(Reason(one) for one in record.reasons),
    )


def _units_in_use() -> tuple[Unit, ...]:
    """What the experiments of this installation randomise; users where there are none."""
    used = set(Experiment.objects.values_list("unit", flat=True).distinct())
    return tuple(unit for unit in Unit if unit.value in used) or (Unit.USER,)


def _definitions(unit: Unit) -> tuple[MetricDefinition, ...]:
    """All metrics but quantiles, whose draws would be drawn again; with the covariates that experiments give them."""
    own = Metric.objects.order_by("key").values_list("key", flat=True)
    keys = dict.fromkeys([*(metric.key for metric in BUILTIN_METRICS), *own])
    adjusted = Experiment.objects.filter(unit=unit.value, covariate_days__gt=0).order_by("-id")
    days = adjusted.values_list("covariate_days", flat=True).first()
    return tuple(
        metric if metric.covariate_days or days is None else replace(metric, covariate_days=days)
        for metric in metric_definitions(keys)
        if metric.kind is not Kind.QUANTILE
    )


def _read(
    warehouse: Warehouse, recent: Recent, unit: Unit, metrics: Sequence[MetricDefinition]
) -> Iterator[tuple[MetricDefinition, Matrix]]:
    """Each metric with its columns, of the units that had time to respond."""
    asked = currency_query(start=recent.start, end=recent.end)
    money = warehouse.query(asked.sql, asked.parameters)
    for first in range(0, len(metrics), METRICS_PER_QUERY):
        chunk = metrics[first : first + METRICS_PER_QUERY]
        query = recent_query(
            chunk,
            unit=unit,
            start=recent.start,
            end=recent.end,
            currency=str(money[0]["currency"]) if money else "",
            limit=recent.limit,
        )
        rows = warehouse.query(query.sql, query.parameters)
        for metric, group in zip(chunk, recent_groups(chunk), strict=True):
            columns = np.array([_column(rows, name) for name in group.names])
            yield metric, columns[:, ~np.isnan(columns[0])]


def _column(rows: Sequence[Mapping[str, object]], name: str) -> Matrix:
    return np.fromiter(
        (math.nan if (value := row[name]) is None else int(str(value)) for row in rows), dtype=np.float64
    )


def _record(measured: Calibration, recent: Recent, unit: Unit, at: datetime) -> CalibrationRecord:
    return CalibrationRecord(
        unit=unit.value,
        metric_key=measured.metric,
        method=str(measured.method),
        computed_at=at,
        lake_version=recent.lake_version,
        code_version=recent.code_version,
        days=recent.days,
        runs=measured.runs,
        units=measured.units,
        alpha=measured.alpha,
        false_positives=_absent(measured.false_positives),
        coverage=_absent(measured.coverage),
        uniformity_p=_absent(measured.uniformity_p),
        passed=measured.passed,
        reasons=[reason.value for reason in measured.reasons],
    )


def _store(records: Sequence[CalibrationRecord]) -> None:
    """All of one check or nothing; rows of the same lake version are replaced."""
    identity = ("unit", "metric_key", "method", "lake_version")
    figures = [field.name for field in CalibrationRecord._meta.concrete_fields if field.name not in ("id", *identity)]
    with transaction.atomic():
        CalibrationRecord.objects.bulk_create(
            records, update_conflicts=True, unique_fields=identity, update_fields=figures
        )


def _absent(number: float) -> float | None:
    return None if math.isnan(number) else number


def _number(stored: float | None) -> float:
    return math.nan if stored is None else stored
