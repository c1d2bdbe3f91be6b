"""A report as its page shows it, put together from its panels."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.contracts import Report, Source
from experiments.selectors import ExperimentDetail
from winnow.web.scorecard import Scorecard, scorecard
from winnow.web.trust import TrustPanel, trust_panel
from winnow.web.words import DECISIONS, sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRow:
    """What the evidence says about one treatment. ``tone`` chooses colour and icon, ``word`` says the same."""

    tone: str
    word: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPanel:
    """Trust, then verdict, then metrics, then where it all comes from."""

    trust: TrustPanel
    verdicts: tuple[VerdictRow, ...]
    scorecard: Scorecard
    source: Source


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
        verdicts=tuple(
            VerdictRow(
                tone=verdict.decision.value, word=str(DECISIONS[verdict.decision]), text=sentence(verdict.message)
            )
            for verdict in report.verdicts
        ),
        scorecard=scorecard(report),
        source=report.source,
    )


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
