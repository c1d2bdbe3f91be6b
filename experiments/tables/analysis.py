"""A file with one row per unit or per event → the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    Scale,
    Source,
    Unit,
)
from experiments.queries.table import Measure, Reading, Rule, TableColumns, exact_sum, moments_of, moments_query
from experiments.reports import Evidence, build_report
from experiments.stats.moments import Moments
from experiments.tables.balance import balance_findings
from experiments.tables.checks import Checked, check_columns, check_constant, check_file
from experiments.tables.engine import Engine, Row, open_engine
from experiments.tables.left_out import exclusions, with_moved_units
from experiments.tables.opening import open_table
from experiments.tables.spec import NO_CURRENCY, TableSpec, check_spec, decimals


def analyze_table(path: Path | str, spec: TableSpec) -> Report:
    """Read a file, check every cell that is used, and compare its arms.

    Raises:
        InvalidInput: what was said about the file cannot be.
        InvalidTable: the file breaks a rule; the message says row, column and rule.
    """
    check_spec(spec)
    with open_table(Path(path)) as opened, open_engine(opened) as engine:
        spec = check_columns(engine, spec)
        columns = table_columns(spec)
        checked = check_file(engine, spec, columns)
        rows = engine.rows(moments_query(columns))
        check_constant(engine, columns, rows)
    return _report(spec, columns, checked, rows, engine)


def table_columns(spec: TableSpec) -> TableColumns:
    """The measures behind the metrics, each column and reading once, then those behind the covariates."""
    wanted: list[tuple[Measure, ...]] = [(Measure(column=one, reading=Reading.BINARY),) for one in spec.binary]
    wanted += [(Measure(column=one, reading=Reading.NUMBER),) for one in spec.number]
    wanted += [(Measure(column=one, reading=Reading.MONEY),) for one in spec.money]
    wanted += [
        tuple(Measure(column=one, reading=Reading.NUMBER) for one in (ratio.numerator, ratio.denominator))
        for ratio in spec.ratios
    ]
    wanted += [(Measure(column=one, reading=Reading.COVARIATE),) for one in spec.covariates]
    measures = tuple(dict.fromkeys(measure for group in wanted for measure in group))
    return TableColumns(
        arm=spec.arm,
        unit=spec.unit,
        measures=measures,
        groups=tuple(tuple(measures.index(measure) for measure in group) for group in wanted),
        rules=tuple(Rule(column=one.column, given=one.given, pairs=tuple(one.values.items())) for one in spec.expect),
        currency=spec.currency_column,
        decimals=decimals(spec.currency),
        allow_negative=spec.allow_negative,
    )


def _report(spec: TableSpec, columns: TableColumns, checked: Checked, rows: Sequence[Row], engine: Engine) -> Report:
    by_arm = {str(row["arm"]): row for row in rows if row["arm"] is not None}
    left = next((row for row in rows if row["arm"] is None), {})
    plan = _plan(spec, checked)
    in_two_arms = int(str(left.get("n", 0))) - int(str(left.get("gone", 0)))
    moments = _moments(columns, by_arm, [*spec.metric_keys, *spec.covariates])
    evidence = Evidence(
        source=Source(name=engine.name, rows=checked.rows),
        units={arm.key: int(str(by_arm.get(arm.key, {}).get("n", 0))) for arm in plan.arms},
        moments=dict(list(moments.items())[: len(spec.metric_keys)]),
        exclusions=exclusions(spec, plan, columns, checked, by_arm, left),
        units_in_two_arms=in_two_arms,
    )
    report = build_report(plan, evidence)
    moved = sum(int(str(row["moved"])) for row in rows)
    findings = with_moved_units(report.findings, moved=moved, left_out=in_two_arms, units=evidence.units)
    metrics = tuple(
        _with_exact_sums(result, columns, position, by_arm) for position, result in enumerate(report.metrics)
    )
    pre = [moments[_covariate_key(one)] for one in spec.covariates]
    return replace(report, metrics=metrics, findings=(*findings, *balance_findings(plan, spec.covariates, pre)))


def _moments(columns: TableColumns, by_arm: Mapping[str, Row], names: Sequence[str]) -> dict[str, dict[str, Moments]]:
    metrics = len(names) - sum(measure.reading is Reading.COVARIATE for measure in columns.measures)
    keys = [name if i < metrics else _covariate_key(name) for i, name in enumerate(names)]
    return {
        key: {arm: moments_of(row, columns, position) for arm, row in by_arm.items()}
        for position, key in enumerate(keys)
    }


def _with_exact_sums(
    result: MetricResult, columns: TableColumns, position: int, by_arm: Mapping[str, Row]
) -> MetricResult:
    """Counts and money as they were added up; n times the mean can be off in the last digit."""
    sums = {arm: exact_sum(row, columns, position) for arm, row in by_arm.items()}
    arms = []
    for arm in result.arms:
        total = sums.get(arm.arm)
        arms.append(arm if total is None else replace(arm, numerator=float(total)))
    return replace(result, arms=tuple(arms))


def _covariate_key(column: str) -> str:
    return f"before:{column}"


def _plan(spec: TableSpec, checked: Checked) -> Plan:
    treatments = [arm for arm in sorted(checked.arms) if arm != spec.control]
    arms = (spec.control, *treatments)
    currency = (spec.currency or checked.currency or NO_CURRENCY) if spec.money else ""
    return Plan(
        title=spec.title or Path(checked.file).name,
        unit=Unit.USER,
        arms=tuple(PlannedArm(key=arm, weight=spec.weights.get(arm, 1.0)) for arm in arms),
        metrics=tuple(_metrics(spec)),
        alpha=spec.alpha,
        currency=currency,
        unit_note=spec.unit or "each row is one",
    )


def _metrics(spec: TableSpec) -> list[PlannedMetric]:
    kinds: list[tuple[str, Kind, Scale]] = [(one, Kind.PROPORTION, Scale.SHARE) for one in spec.binary]
    kinds += [(one, Kind.MEAN, Scale.NUMBER) for one in spec.number]
    kinds += [(one, Kind.MEAN, Scale.MONEY) for one in spec.money]
    kinds += [(one.name, Kind.RATIO, Scale.NUMBER) for one in spec.ratios]
    return [
        PlannedMetric(
            key=key,
            name=key,
            kind=kind,
            role=Role.PRIMARY if key == spec.primary else Role.SECONDARY,
            direction=Direction.DECREASE if key in spec.lower_is_better else Direction.INCREASE,
            scale=scale,
        )
        for key, kind, scale in kinds
    ]
