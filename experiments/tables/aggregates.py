"""A file that is already aggregated (count, mean, variance of control and treatment) → one row per group."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from experiments.contracts import ArmSummary, Comparison, Kind, Source
from experiments.errors import InvalidInput, InvalidTable
from experiments.queries.table_aggregates import SUMMARY, every_snapshot_query, snapshots_query
from experiments.stats.comparison import compare
from experiments.stats.estimate import summarise
from experiments.stats.moments import Moments
from experiments.tables.engine import Engine, Row, open_engine
from experiments.tables.families import Family, Member, adjusted_p_values, families_of
from experiments.tables.opening import open_table
from experiments.tables.spec import check_alpha, suggestion

CONTROL, TREATMENT = "control", "treatment"


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateSpec:
    """Which columns tell groups apart (all others by default) and which one orders their cumulative snapshots.

    ``adjust`` judges all groups together, and those with one value of the column ``family`` together; ``peek`` counts
    the groups that were significant at any snapshot.
    """

    groups: tuple[str, ...] = ()
    snapshot: str = ""
    adjust: bool = False
    family: str = ""
    peek: bool = False
    alpha: float = 0.05
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupResult:
    """One group: its ids, its last snapshot and how many there were, both arms and their comparison.

    ``adjusted_p`` accounts for the number of groups in its family, nan if nobody asked; ``ever`` is whether any of its
    snapshots was significant, None if nobody asked.
    """

    group: tuple[str, ...]
    snapshot: str
    snapshots: int
    control: ArmSummary
    treatment: ArmSummary
    comparison: Comparison
    adjusted_p: float = math.nan
    ever: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateReport:
    """Every group on its own, and beside it what their number makes of them: ``families``, all groups first."""

    title: str
    source: Source
    alpha: float
    group_columns: tuple[str, ...]
    snapshot_column: str
    results: tuple[GroupResult, ...]
    family_column: str = ""
    adjusted: bool = False
    families: tuple[Family, ...] = ()

    @property
    def answered(self) -> int:
        """How many groups have a p-value."""
        return sum(not math.isnan(result.comparison.p_value) for result in self.results)

    @property
    def significant(self) -> int:
        """How many of them differ at ``alpha``."""
        return sum(result.comparison.significant for result in self.results)


def analyze_aggregates(path: Path | str, spec: AggregateSpec) -> AggregateReport:
    """The last snapshot of every group, compared. A missing mean or variance is a reason, not an error.

    Raises:
        InvalidInput: alpha out of range, or a column is a group and a snapshot.
        InvalidTable: the file lacks a column or breaks a rule; the message says row, column and rule.
    """
    check_alpha(spec.alpha)
    with open_table(Path(path)) as opened, open_engine(opened) as engine:
        groups = _groups(engine, spec)
        rows = engine.rows(snapshots_query(groups, spec.snapshot))
        every = engine.rows(every_snapshot_query(groups, spec.snapshot)) if spec.peek else []
    if not rows:
        raise InvalidTable(f"{engine.name} has a header and no rows")
    for row in rows:
        _check_last(engine, spec, row)
    ever = {_group(row, len(groups)) for row in every if _compare(engine, spec, row).significant}
    results = tuple(_result(engine, spec, row, len(groups), ever) for row in rows)
    place = groups.index(spec.family) if spec.family else None
    members = [
        Member(family="" if place is None else one.group[place], comparison=one.comparison, ever=one.ever)
        for one in results
    ]
    adjust = spec.adjust or bool(spec.family)
    if adjust:
        adjusted = adjusted_p_values(members, spec.alpha)
        results = tuple(replace(one, adjusted_p=p) for one, p in zip(results, adjusted, strict=True))
    return AggregateReport(
        title=spec.title or engine.name,
        source=Source(name=engine.name, rows=sum(int(str(row["snapshots"])) for row in rows)),
        alpha=spec.alpha,
        group_columns=groups,
        snapshot_column=spec.snapshot,
        results=results,
        family_column=spec.family,
        adjusted=adjust,
        families=families_of(members, spec.alpha, adjusted=adjust),
    )


def _groups(engine: Engine, spec: AggregateSpec) -> tuple[str, ...]:
    known = [name.casefold() for name in engine.columns]
    for name in SUMMARY:
        if name not in known:
            raise InvalidTable(f"{engine.name} has no column “{name}”{suggestion(name, engine.columns, 'columns')}")
    for option, name in (("snapshot", spec.snapshot), *(("group", group) for group in spec.groups)):
        if name and name not in engine.columns:
            raise InvalidTable(
                f"{engine.name} has no column “{name}” ({option}){suggestion(name, engine.columns, 'columns')}"
            )
    if spec.snapshot in spec.groups:
        raise InvalidInput("snapshot", f"“{spec.snapshot}” cannot be a group too")
    others = (name for name in engine.columns if name != spec.snapshot and name.casefold() not in SUMMARY)
    groups = spec.groups or tuple(others)
    if spec.family and spec.family not in groups:
        raise InvalidInput(
            "family", f"“{spec.family}” tells no groups apart{suggestion(spec.family, groups, 'groups')}"
        )
    if spec.peek and not spec.snapshot:
        raise InvalidInput("peek", "needs the column that orders the snapshots (--snapshot)")
    return groups


def _check_last(engine: Engine, spec: AggregateSpec, row: Row) -> None:
    where = f"{engine.name}, row {row['row']}"
    if row["untimed"]:
        raise InvalidTable(f"{where}, column {spec.snapshot}: its group has a snapshot that is no number and no date")
    if int(str(row["ties"])) > 1:
        rule = (
            f"has another row with the same {spec.snapshot}"
            if spec.snapshot
            else "has more rows; name the column that orders its cumulative snapshots (--snapshot)"
        )
        raise InvalidTable(f"{where}: its group {rule}; rows are never added up")


def _result(
    engine: Engine, spec: AggregateSpec, row: Row, groups: int, ever: Collection[tuple[str, ...]]
) -> GroupResult:
    control, treatment = _arms(engine, row)
    group = _group(row, groups)
    return GroupResult(
        group=group,
        snapshot=_text(row["snapshot"]) if spec.snapshot else "",
        snapshots=int(str(row["snapshots"])),
        control=summarise(CONTROL, control, Kind.MEAN),
        treatment=summarise(TREATMENT, treatment, Kind.MEAN),
        comparison=_compare(engine, spec, row),
        ever=group in ever if spec.peek else None,
    )


def _group(row: Row, groups: int) -> tuple[str, ...]:
    return tuple(_text(row[f"g{i}"]) for i in range(groups))


def _compare(engine: Engine, spec: AggregateSpec, row: Row) -> Comparison:
    control, treatment = _arms(engine, row)
    return compare(control, treatment, kind=Kind.MEAN, alpha=spec.alpha, control_name=CONTROL, arm=TREATMENT)


def _arms(engine: Engine, row: Row) -> tuple[Moments, Moments]:
    where = f"{engine.name}, row {row['row']}"
    return _moments(where, row, "c"), _moments(where, row, "t")


def _moments(where: str, row: Row, side: str) -> Moments:
    n = _number(where, row, f"count_{side}")
    mean, variance = _number(where, row, f"mean_{side}"), _number(where, row, f"variance_{side}")
    if not n >= 0 or n != math.floor(n):
        raise InvalidTable(
            f"{where}, column count_{side}: “{_text(row[f'count_{side}'])}” must be a whole number, 0 or more"
        )
    if variance < 0:
        raise InvalidTable(f"{where}, column variance_{side}: {variance:g} must not be negative")
    return Moments.from_summary(n=int(n), mean=mean, variance=variance)


def _number(where: str, row: Row, column: str) -> float:
    """nan where the cell is empty or says NaN, which published tables do for a variance they lack."""
    text = _text(row[column]) or "nan"
    try:
        number = float(text)
    except ValueError:
        number = math.inf
    if math.isinf(number):
        raise InvalidTable(f"{where}, column {column}: “{text}” must be a finite number, or empty where it is missing")
    return number


def _text(value: object) -> str:
    return "" if value is None else str(value)


def group_label(values: Sequence[str]) -> str:
    """The ids of a group as one text."""
    return " / ".join(values) or "all rows"
