"""What a health check may look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from experiments.contracts import Exclusion, Plan, Source
from experiments.stats.moments import Moments


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthContext:
    """The plan and what was measured, before any result is read.

    ``units`` are those analysed, per arm key; ``units_in_two_arms`` were left out for it; ``unknown_arms`` counts the
    units whose arm is not planned; ``moments`` go from metric key to arm key.
    """

    plan: Plan
    source: Source
    units: Mapping[str, int]
    moments: Mapping[str, Mapping[str, Moments]]
    exclusions: tuple[Exclusion, ...] = ()
    units_in_two_arms: int = 0
    unknown_arms: Mapping[str, int] = field(default_factory=dict)
