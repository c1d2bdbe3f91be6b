"""A file with one row per unit or per event → the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from experiments.contracts import (
    Direction,
    Kind,
    MetricResult,
    Plan,
    PlannedArm,
    PlannedMetric,
    Report,
    Role,
    Source,
    Unit,
)
from experiments.evidence import Evidence
from experiments.inference.looks import looks_of
from experiments.queries.table_sums import skewness
from experiments.reports import build_report
from experiments.stats.moments import Moments
from experiments.tables.checks import Checked, check_columns
from experiments.tables.columns import Layout, layout, sources
from experiments.tables.engine import Row, open_engine
from experiments.tables.left_out import exclusions, with_moved_units
from experiments.tables.opening import open_table
from experiments.tables.reading import Tables, read_table
from experiments.tables.spec import NO_CURRENCY, TableSpec, check_spec


def analyze_table(path: Path | str, spec: TableSpec) -> Report:
    """Read a file, check every cell that is used, and compare its arms.

    Raises:
        InvalidInput: what was said about the file cannot be.
        InvalidTable: the file breaks a rule; the message says row, column and rule.
    """
    check_spec(spec)
    with open_table(Path(path)) as opened, open_engine(opened) as engine:
        spec = check_columns(engine, spec)
        places = layout(spec, engine.storages, engine.scales)
        tables = read_table(engine, spec, places)
    plan = _plan(spec, tables.checked)
    report = build_report(plan, _evidence(spec, plan, places, tables))
    moved = sum(int(str(row.get("moved", 0))) for row in (*tables.by_arm.values(), tables.left))
    findings = with_moved_units(report.findings, moved=moved, left_out=_in_two_arms(tables), units=_units(plan, tables))
    return replace(report, findings=findings, metrics=tuple(_exact(one, places, tables) for one in report.metrics))


def _evidence(spec: TableSpec, plan: Plan, places: Layout, tables: Tables) -> Evidence:
    units = _units(plan, tables)
    return Evidence(
        source=Source(name=tables.checked.file, rows=tables.checked.rows),
        units=units,
        moments={key: _by_arm(tables, tables.by_arm, at) for key, at in places.main.items()},
        raw={key: _by_arm(tables, tables.by_arm, at) for key, at in places.raw.items()},
        caps={key: float(tables.caps[at]) for key, at in places.caps.items() if tables.caps[at]},
        values=tables.values,
        segments=_segments(spec, places, tables),
        exclusions=exclusions(spec, plan, places, tables),
        units_in_two_arms=_in_two_arms(tables),
        before={column: _by_arm(tables, tables.by_arm, at) for column, at in places.before.items()},
        skew={
            metric.key: skewness(tables.sums(row, places.main[metric.key]) for row in tables.by_arm.values())
            for metric in plan.metrics
            if metric.kind is Kind.MEAN
        },
        looks=looks_of(plan, sum(units.values()), (), days=float("nan")),
    )


def _by_arm(tables: Tables, rows: Mapping[str, Row], position: int) -> dict[str, Moments]:
    return {arm: tables.sums(row, position).moments() for arm, row in rows.items()}


def _segments(spec: TableSpec, places: Layout, tables: Tables) -> dict[str, dict[str, dict[str, dict[str, Moments]]]]:
    """Metric → column → segment → arm → moments."""
    return {
        key: {
            spec.segments[k]: {name: _by_arm(tables, rows, at) for name, rows in sorted(segments.items())}
            for k, segments in tables.segments.items()
        }
        for key, at in places.main.items()
    }


def _units(plan: Plan, tables: Tables) -> dict[str, int]:
    return {arm.key: int(str(tables.by_arm.get(arm.key, {}).get("n", 0))) for arm in plan.arms}


def _in_two_arms(tables: Tables) -> int:
    """All that were left out had a row that fits, except those that are gone."""
    return int(str(tables.left.get("n", 0))) - int(str(tables.left.get("gone", 0)))


def _exact(result: MetricResult, places: Layout, tables: Tables) -> MetricResult:
    """Counts and money as they were added up; n times the mean can be off in the last digit."""
    arms = []
    for arm in result.arms:
        row = tables.by_arm.get(arm.arm)
        total = None if row is None else tables.sums(row, places.main[result.metric.key]).total
        known = total is not None and result.metric.kind is not Kind.QUANTILE
        arms.append(replace(arm, numerator=float(total)) if known and total is not None else arm)
    return replace(result, arms=tuple(arms))


def _plan(spec: TableSpec, checked: Checked) -> Plan:
    treatments = [arm for arm in sorted(checked.arms) if arm != spec.control]
    arms = (spec.control, *treatments)
    currency = (spec.currency or checked.currency or NO_CURRENCY) if spec.money else ""
    return Plan(
        title=spec.title or Path(checked.file).name,
        unit=Unit.USER,
        arms=tuple(PlannedArm(key=arm, weight=spec.weights.get(arm, 1.0)) for arm in arms),
        metrics=_metrics(spec),
        alpha=spec.alpha,
        planned_units=spec.planned_units,
        # whoever names no plan hands in an experiment that is over
        complete=spec.planned_units is None,
        currency=currency,
        unit_note=spec.unit or "each row is one",
    )


def _metrics(spec: TableSpec) -> tuple[PlannedMetric, ...]:
    primary = spec.primary or next((key for key in spec.metric_keys if key not in spec.guardrails), "")
    return tuple(
        PlannedMetric(
            key=source.key,
            name=source.key,
            kind=source.kind,
            role=_role(spec, source.key, primary),
            direction=Direction.DECREASE if source.key in spec.lower_is_better else Direction.INCREASE,
            scale=source.scale,
            margin=spec.guardrails.get(source.key),
            covariates=spec.covariates_of(source.key),
            winsor=spec.caps.get(source.key),
            quantile=source.quantile,
        )
        for source in sources(spec)
    )


def _role(spec: TableSpec, key: str, primary: str) -> Role:
    if key == primary:
        return Role.PRIMARY
    return Role.GUARDRAIL if key in spec.guardrails else Role.SECONDARY
