"""The first thing a comparison shows: the NDCG of each strategy on one axis, and its difference to each reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from experiments import figures
from experiments.contracts import Decision
from recommenders.offline.report import Difference, Figure, OfflineReport
from winnow.web import measures
from winnow.web.intervals import Axis, Bar, axis_for, draw
from winnow.web.rising_axis import rising_axis
from winnow.web.words import DECISIONS

NDCG = "ndcg"
NO_INTERVAL = _("No interval: fewer than two users, or all have the same value.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRow:
    """One strategy; without a figure, ``reason`` says why."""

    label: str
    reference: bool
    n: int = 0
    value: str = figures.ABSENT
    interval: str = ""
    bar: Bar | None = None
    reason: str | Promise = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """The difference to one reference. ``tone`` chooses colour and icon, ``word`` says the same."""

    reference: str
    n: int
    effect: str
    interval: str
    p_value: str
    tone: str
    word: str
    bar: Bar | None
    reason: str | Promise


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceRow:
    """A strategy against each reference, and the same as a sentence."""

    label: str
    sentence: str
    against: tuple[Against, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Rows with the best first; ticks are places and labels of the two axes; ``line`` is the best reference."""

    rows: tuple[PictureRow, ...]
    ticks: tuple[tuple[float, str], ...]
    line: float | None
    differences: tuple[DifferenceRow, ...]
    difference_ticks: tuple[tuple[float, str], ...]


def picture(report: OfflineReport, candidates: Sequence[str]) -> Picture:
    """The picture of a report; differences are those of the candidates."""
    found = {one.label: _ndcg(one.figures) for one in report.strategies}
    known = [figure for figure in found.values() if figure and math.isfinite(figure.value)]
    axis = rising_axis((figure.value, figure.ci_high) for figure in known)
    rows = [_row(report, label, figure, axis) for label, figure in found.items()]
    references = [figure.value for label in report.references if (figure := found.get(label)) in known and figure]
    compared = [one for one in report.differences if (one.metric, one.slice) == (NDCG, "all")]
    shown = [one for one in compared if one.strategy in candidates]
    difference_axis = axis_for((one.ci_low, one.ci_high) for one in shown)
    return Picture(
        rows=tuple(sorted(rows, key=lambda row: _rank(found[row.label]))),
        ticks=tuple((place, f"{value:g}") for place, value in axis.ticks),
        line=axis.place(max(references)) if references else None,
        differences=tuple(
            _differences(label, [one for one in shown if one.strategy == label], difference_axis)
            for label in dict.fromkeys(one.strategy for one in shown)
        ),
        difference_ticks=tuple((place, f"{value:+g}" if value else "0") for place, value in difference_axis.ticks),
    )


def _ndcg(found: Sequence[Figure]) -> Figure | None:
    return next((one for one in found if (one.metric, one.slice) == (NDCG, "all")), None)


def _rank(figure: Figure | None) -> float:
    return -figure.value if figure and math.isfinite(figure.value) else math.inf


def _row(report: OfflineReport, label: str, figure: Figure | None, axis: Axis) -> PictureRow:
    reference = label in report.references
    if figure is None:
        return PictureRow(label=label, reference=reference, reason=report.strategy(label).failure or "")
    return PictureRow(
        label=label,
        reference=reference,
        n=figure.n,
        value=measures.number(figure.value),
        interval=measures.interval(figure.ci_low, figure.ci_high),
        bar=draw(figure.value, figure.ci_low, figure.ci_high, axis),
        reason=NO_INTERVAL if math.isnan(figure.ci_low) else "",
    )


def _differences(label: str, compared: Sequence[Difference], axis: Axis) -> DifferenceRow:
    against = tuple(_against(one, axis) for one in compared)
    by_tone = {
        tone: gettext(", ").join(one.reference for one in against if one.tone == tone)
        for tone in (Decision.BETTER, Decision.WORSE, Decision.UNSETTLED)
    }
    said = (
        (Decision.BETTER, gettext("better than %(names)s")),
        (Decision.WORSE, gettext("worse than %(names)s")),
        (Decision.UNSETTLED, gettext("not told apart from %(names)s")),
    )
    parts = [text % {"names": by_tone[tone]} for tone, text in said if by_tone[tone]]
    return DifferenceRow(label=label, sentence=gettext("; ").join(parts), against=against)


def _against(one: Difference, axis: Axis) -> Against:
    decision = _decision(one)
    return Against(
        reference=one.reference,
        n=one.n,
        effect=measures.number(one.effect, "+"),
        interval=measures.interval(one.ci_low, one.ci_high, "+"),
        p_value=figures.p_value(one.p_value),
        tone=decision.value,
        word=str(DECISIONS[decision]),
        bar=draw(one.effect, one.ci_low, one.ci_high, axis),
        reason=NO_INTERVAL if math.isnan(one.ci_low) else "",
    )


def _decision(one: Difference) -> Decision:
    if one.ci_low > 0:
        return Decision.BETTER
    return Decision.WORSE if one.ci_high < 0 else Decision.UNSETTLED
