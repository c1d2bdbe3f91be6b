"""From what an analyst says to what the queries read: each column and reading once, and the groups of every metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from experiments.contracts import Kind, Scale
from experiments.queries.table import Group, Measure, Reading, Rule, Storage, TableColumns
from experiments.tables.spec import TableSpec, decimals, quantile_key, response_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a metric's values come from. ``values`` asks for their whole distribution."""

    key: str
    kind: Kind
    scale: Scale
    measures: tuple[Measure, ...]
    values: bool = False
    quantile: float | None = None


def sources(spec: TableSpec) -> Iterator[Source]:
    """One for each metric, in the report's order."""
    for column in spec.binary:
        measure = Measure(column=column, reading=Reading.BINARY)
        yield Source(key=column, kind=Kind.PROPORTION, scale=Scale.SHARE, measures=(measure,))
    for column in (*spec.number, *spec.money):
        yield Source(key=column, kind=Kind.MEAN, scale=_scale(spec, column), measures=(_amount(spec, column),))
    for ratio in spec.ratios:
        parts = tuple(Measure(column=one, reading=Reading.NUMBER) for one in (ratio.numerator, ratio.denominator))
        yield Source(key=ratio.name, kind=Kind.RATIO, scale=Scale.NUMBER, measures=parts)
    for column in spec.scores:
        answered = Measure(column=column, reading=Reading.ANSWERED)
        score = Measure(column=column, reading=Reading.SCORE)
        yield Source(key=response_rate(column), kind=Kind.PROPORTION, scale=Scale.SHARE, measures=(answered,))
        yield Source(key=column, kind=Kind.MEAN, scale=Scale.NUMBER, measures=(score,), values=True)
    for column, q in spec.quantiles:
        yield Source(
            key=quantile_key(column, q),
            kind=Kind.QUANTILE,
            scale=_scale(spec, column),
            measures=(_amount(spec, column),),
            values=True,
            quantile=q,
        )


def _scale(spec: TableSpec, column: str) -> Scale:
    return Scale.MONEY if column in spec.money else Scale.NUMBER


def _amount(spec: TableSpec, column: str) -> Measure:
    return Measure(column=column, reading=Reading.MONEY if column in spec.money else Reading.NUMBER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The columns, and which group (by position) holds which moments; ``values`` and ``caps`` go to a measure.

    ``main`` and ``raw`` go from metric key, ``before`` from covariate.
    """

    columns: TableColumns
    main: Mapping[str, int]
    raw: Mapping[str, int]
    before: Mapping[str, int]
    values: Mapping[str, int]
    caps: Mapping[str, int]


def layout(spec: TableSpec, storages: Mapping[str, Storage], scales: Mapping[str, int]) -> Layout:
    """The measures behind the metrics, then those behind the covariates, then the capped ones."""
    found = tuple(sources(spec))
    covariates = {column: Measure(column=column, reading=Reading.COVARIATE) for column in spec.all_covariates}
    plain = (*(measure for source in found for measure in source.measures), *covariates.values())
    capped = {key: _capped(source.measures[0]) for source in found if (key := source.key) in spec.caps}
    measures = tuple(dict.fromkeys((*plain, *capped.values())))
    groups: list[Group] = []

    def add(*columns: Measure, by: tuple[str, ...] = (), cubes: bool = False) -> int:
        places = tuple(map(measures.index, columns))
        known = tuple(measures.index(covariates[one]) for one in by)
        groups.append(Group(columns=places, covariates=known, cubes=cubes))
        return len(groups) - 1

    main = {
        source.key: add(
            *((capped[source.key],) if source.key in capped else source.measures),
            by=spec.covariates_of(source.key),
            cubes=source.kind is Kind.MEAN,
        )
        for source in found
    }
    raw = {source.key: add(*source.measures) for source in found if source.key in capped}
    before = {column: add(measure) for column, measure in covariates.items()}
    return Layout(
        columns=replace(_columns(spec, measures, groups), storages=storages, scales=scales),
        main=main,
        raw=raw,
        before=before,
        values={source.key: measures.index(source.measures[0]) for source in found if source.values},
        caps={key: measures.index(measure) for key, measure in capped.items()},
    )


def _capped(measure: Measure) -> Measure:
    return Measure(column=measure.column, reading=measure.reading, capped=True)


def _columns(spec: TableSpec, measures: tuple[Measure, ...], groups: list[Group]) -> TableColumns:
    return TableColumns(
        arm=spec.arm,
        unit=spec.unit,
        measures=measures,
        groups=tuple(groups),
        segments=spec.segments,
        rules=tuple(Rule(column=one.column, given=one.given, pairs=tuple(one.values.items())) for one in spec.expect),
        currency=spec.currency_column,
        decimals=decimals(spec.currency),
        allow_negative=spec.allow_negative,
    )
