"""Whether a comparison may be judged already: a confidence sequence is valid only once enough is in."""

from __future__ import annotations

import math
from dataclasses import replace

from experiments.contracts import Kind, Plan, PlannedMetric, Reason, Scale, Stopping
from experiments.inference.rules import Contrast
from experiments.stats.estimate import Estimate
from experiments.stats.sequence import ready


def ripe(plan: Plan, contrast: Contrast, *, conversions: tuple[float | None, float | None]) -> Contrast:
    """The contrast; its treatment withheld where a confidence sequence is not valid yet in one of the arms.

    Args:
        plan: says whether there is a sequence.
        contrast: the treatment and the control.
        conversions: in control and treatment, None where the metric does not count any.
    """
    sides = zip((contrast.control.n, contrast.treatment.n), conversions, strict=True)
    if plan.stopping is not Stopping.SEQUENCE or all(ready(n, count) for n, count in sides if n):
        return contrast
    return replace(contrast, treatment=_withhold(contrast.treatment))


def conversions_of(metric: PlannedMetric, numerator: float) -> float | None:
    """The conversions behind a numerator, None for a metric that counts none."""
    counted = metric.kind is Kind.PROPORTION or (metric.scale is Scale.SHARE and metric.kind is not Kind.QUANTILE)
    return numerator if counted else None


def _withhold(value: Estimate) -> Estimate:
    if value.reasons:
        return value
    return Estimate(n=value.n, mean=value.mean, var=math.nan, reasons=(Reason.TOO_EARLY,))
