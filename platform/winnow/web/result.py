"""A report as its page shows it, put together from its panels."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.contracts import Action, Decision, Report, Source, Verdict
from experiments.rendering.cells import verdict_lines
from experiments.rendering.details import conditions
from experiments.selectors import ExperimentDetail
from winnow.web.scorecard import Scorecard, scorecard
from winnow.web.trust import TrustPanel, trust_panel
from winnow.web.words import ACTIONS, sentence

TONES = {
    Action.SHIP: Decision.BETTER,
    Action.ROLL_BACK: Decision.WORSE,
    Action.KEEP_RUNNING: Decision.UNSETTLED,
    Action.DO_NOT_TRUST: Decision.DO_NOT_TRUST,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRow:
    """What to do about one treatment. ``tone`` chooses colour and icon, ``word`` says the same.

    ``more`` says what it is worth, what would change it, and what to keep in mind.
    """

    tone: str
    word: str
    text: str
    more: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPanel:
    """Trust, then verdict, then metrics, then where it all comes from."""

    trust: TrustPanel
    verdicts: tuple[VerdictRow, ...]
    scorecard: Scorecard
    source: Source
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRow:
    """One arm as planned, and how many units it has; None before the first result."""

    key: str
    label: str
    is_control: bool
    share: str
    strategy: str
    units: int | None


def result_panel(report: Report) -> ResultPanel:
    """Everything below the header of the page."""
    return ResultPanel(
        trust=trust_panel(report),
        verdicts=tuple(_verdict(verdict) for verdict in report.verdicts),
        scorecard=scorecard(report),
        source=report.source,
        conditions=tuple(map(sentence, conditions(report))),
    )


def _verdict(verdict: Verdict) -> VerdictRow:
    text, *more = map(sentence, verdict_lines(verdict))
    return VerdictRow(tone=TONES[verdict.action].value, word=str(ACTIONS[verdict.action]), text=text, more=tuple(more))


def arm_rows(detail: ExperimentDetail) -> tuple[ArmRow, ...]:
    """The arms, control first."""
    total = sum(arm.weight for arm in detail.arms)
    results = detail.report.metrics if detail.report else ()
    units = {summary.arm: summary.n for summary in results[0].arms} if results else {}
    return tuple(
        ArmRow(
            key=arm.key,
            label=arm.name or arm.key,
            is_control=arm.position == 0,
            share=f"{100 * arm.weight / total:.3g}%",
            strategy=arm.strategy,
            units=units.get(arm.key),
        )
        for arm in detail.arms
    )
