"""Evidence in, report out: the one place where statistics, health and verdict meet (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from experiments.contracts import Exclusion, Plan, Report, Source
from experiments.stats.moments import Moments


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was measured, before any judgement. Moments are in the order (numerator, denominator) for ratios, (value,) otherwise.

    ``units`` counts analysed units per arm (after exclusions), ``units_in_two_arms`` those left out for it.
    """

    source: Source
    units: Mapping[str, int]
    moments: Mapping[str, Mapping[str, Moments]]  # metric key → arm key → moments
    exclusions: tuple[Exclusion, ...] = ()
    units_in_two_arms: int = 0
    unknown_arms: Mapping[str, int] = field(default_factory=dict)


def build_report(plan: Plan, evidence: Evidence) -> Report:
    """Judge the evidence by the plan."""
    raise NotImplementedError
