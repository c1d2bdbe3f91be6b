"""An offline report for people: plain text and Markdown. Every figure comes with its 95 % interval."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence

from recommenders.offline.list_metrics import LISTS
from recommenders.offline.ranking_metrics import ACCURACY
from recommenders.offline.rating_metrics import RATING
from recommenders.offline.report import OfflineReport, to_json

Table = tuple[tuple[str, ...], Sequence[tuple[str, ...]]]  # header, rows

NAMES = {
    "ndcg": "NDCG",
    "recall": "Recall",
    "precision": "Precision",
    "mrr": "MRR",
    "map": "MAP",
    "hit_rate": "Hit rate",
    "novelty": "Novelty, bits",
    "popularity": "Popularity percentile",
    "diversity_category": "Diversity of categories",
    "diversity_tags": "Diversity of tags",
    "cold_share": "Cold items shown",
    "coverage": "Coverage",
    "gini": "Gini",
    "rmse": "RMSE",
    "mae": "MAE",
}
NONE = "–"


def to_text(report: OfflineReport) -> str:
    """The report as plain text with aligned columns."""
    return _lines(report, title="{}", draw=_aligned)


def to_markdown(report: OfflineReport) -> str:
    """The report as Markdown."""
    return _lines(report, title="## {}", draw=_piped)


def to_json_text(report: OfflineReport) -> str:
    """The report as a JSON text; what is no number is null."""
    return json.dumps(to_json(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _lines(report: OfflineReport, *, title: str, draw: Callable[[Table], str]) -> str:
    blocks = [_head(report)]
    for name, part in _sections(report):
        blocks.append(f"{title.format(name)}\n\n{draw(part)}")
    said = [f"{one.label}: no figures. {one.failure}" for one in report.strategies if one.failure]
    said += [f"{one.label}: {one.not_numbers} scores were no numbers." for one in report.strategies if one.not_numbers]
    said += [f"{one.label}: {one.short_lists} lists were too short." for one in report.strategies if one.short_lists]
    blocks += [*said, *report.notes]
    return "\n\n".join(blocks) + "\n"


def _head(report: OfflineReport) -> str:
    how = ", ".join(str(one) if name == "split" else f"{name} {one}" for name, one in report.protocol.items())
    ranked = "items that the user had not taken" if report.new_only else "all items"
    return (
        f"Offline evaluation, {how}: {report.evaluated:,} users evaluated, {report.skipped:,} skipped; "
        f"{report.train_events:,} events to learn from, {report.test_events:,} to find; "
        f"the best {report.k} of {report.items:,}, {ranked} ranked; seed {report.seed}; data {report.data[:12]}."
    )


def _sections(report: OfflineReport) -> list[tuple[str, Table]]:
    measured = [one for one in report.strategies if one.figures]
    whole = [name for name in (*ACCURACY, *RATING) if any(_has(report, name, "all"))]
    lists = [name for name in LISTS if any(_has(report, name, "all"))]
    parts = dict.fromkeys(figure.slice for one in measured for figure in one.figures)
    compared = [one for one in report.differences if one.metric == "ndcg" and one.slice == "all"]
    found: list[tuple[str, Table]] = [
        (f"Accuracy at {report.k}", _figures(report, [(NAMES[name], name, "all") for name in whole])),
        (f"Lists of {report.k}", _figures(report, [(NAMES[name], name, "all") for name in lists])),
        (f"NDCG at {report.k} by slice", _figures(report, [(part, "ndcg", part) for part in parts])),
        (
            f"Difference of NDCG at {report.k}, paired by user",
            (
                ("strategy", "against", "difference", "p"),
                [
                    (one.strategy, one.reference, _interval(one.effect, one.ci_low, one.ci_high), _p(one.p_value))
                    for one in compared
                ],
            ),
        ),
        (
            "Seconds",
            (
                ("strategy", "training", "scoring"),
                [(one.label, _number(one.fit_seconds), _number(one.score_seconds)) for one in measured],
            ),
        ),
    ]
    return [(name, table) for name, table in found if table[1]]


def _figures(report: OfflineReport, wanted: Sequence[tuple[str, str, str]]) -> Table:
    """A row for each wanted (title, metric, slice), a column for each strategy that has figures."""
    measured = [one for one in report.strategies if one.figures]
    rows = []
    for title, metric, part in wanted:
        row = [title]
        for one in measured:
            found = next((each for each in one.figures if (each.metric, each.slice) == (metric, part)), None)
            row.append(NONE if found is None else _interval(found.value, found.ci_low, found.ci_high))
        rows.append(tuple(row))
    return (("", *(one.label for one in measured)), rows if measured else [])


def _has(report: OfflineReport, metric: str, part: str) -> list[bool]:
    return [(each.metric, each.slice) == (metric, part) for one in report.strategies for each in one.figures]


def _interval(value: float, low: float, high: float) -> str:
    return _number(value) if math.isnan(low) else f"{_number(value)} [{_number(low)}, {_number(high)}]"


def _number(value: float) -> str:
    return NONE if not math.isfinite(value) else f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"


def _p(value: float) -> str:
    return NONE if math.isnan(value) else "< .0001" if value < 1e-4 else f"{value:.4f}"


def _aligned(table: Table) -> str:
    rows = [table[0], *table[1]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _piped(table: Table) -> str:
    header, rows = table
    drawn = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in drawn)
