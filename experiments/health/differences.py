"""How far the arms were apart before exposure: what the checks ``before`` and ``not_randomised`` read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from experiments import figures
from experiments.contracts import Comparison, Kind, PlannedArm, Scale
from experiments.health.context import HealthContext
from experiments.stats.comparison import compare
from experiments.stats.moments import Moments


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One treatment and the control in one covariate.

    ``standardised`` is (m_T − m_C) / √((s²_T + s²_C) / 2), infinite where neither arm varies; ``spread`` is about its
    standard error, √(1 / n_T + 1 / n_C).

    Source: P. C. Austin (2009), Balance diagnostics for comparing the distribution of baseline covariates between
    treatment groups in propensity-score matched samples, Statistics in Medicine 28, 3083-3107.
    """

    covariate: str
    arm: PlannedArm
    standardised: float
    spread: float
    p_value: float
    log_p: float

    @property
    def text(self) -> str:
        """The standardised difference with its sign and no more digits than its error supports."""
        return figures.difference(self.standardised, Scale.NUMBER, spread=self.spread)


def differences(context: HealthContext) -> tuple[Difference, ...]:
    """Every covariate and treatment that can be compared with the control, the most surprising first."""
    found = (
        difference
        for covariate, by_arm in context.before.items()
        for arm in context.plan.arms[1:]
        for difference in _difference(covariate, arm, _of(by_arm, context.plan.arms[0]), _of(by_arm, arm))
    )
    return tuple(sorted(found, key=lambda difference: difference.log_p))


def _of(by_arm: Mapping[str, Moments], arm: PlannedArm) -> Moments:
    return by_arm.get(arm.key, Moments.empty(1))


def _difference(covariate: str, arm: PlannedArm, control: Moments, treatment: Moments) -> Iterator[Difference]:
    comparison = compare(control, treatment, kind=Kind.MEAN, alpha=0.05, control_name="control", arm=arm.key)
    p_value, log_p = _surprise(comparison, control, treatment)
    if math.isnan(log_p):
        return
    sd = math.sqrt((control.var[0] + treatment.var[0]) / 2)
    yield Difference(
        covariate=covariate,
        arm=arm,
        standardised=comparison.effect / sd if sd else math.copysign(math.inf, comparison.effect),
        spread=math.sqrt(1 / control.n + 1 / treatment.n),
        p_value=p_value,
        log_p=log_p,
    )


def _surprise(comparison: Comparison, control: Moments, treatment: Moments) -> tuple[float, float]:
    """Welch's p-value and its logarithm.

    Two arms without variance that differ have none: there it is the chance 1 / C(n, n_T) that units with two values
    are dealt out so that each arm holds one of them.
    """
    constant = control.comoment[0][0] == treatment.comoment[0][0] == 0
    if constant and abs(comparison.effect) > 0 and min(control.n, treatment.n) > 1:
        log_p = math.lgamma(control.n + 1) + math.lgamma(treatment.n + 1)
        log_p -= math.lgamma(control.n + treatment.n + 1)
        return math.exp(log_p), log_p
    return comparison.p_value, comparison.log_p
