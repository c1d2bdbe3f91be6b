"""What a health check may look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from experiments.contracts import Exclusion, Looks, Plan, Source
from experiments.stats.moments import Moments


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthContext:
    """The plan and what was measured, before any result is read.

    ``units`` are those analysed, per arm key; ``units_in_two_arms`` were left out for it; ``unknown_arms`` counts the
    units whose arm is not planned; ``moments`` go from metric key to arm key. ``before`` holds what was known of the
    units before exposure: name → arm key → moments of one column. ``skew`` is the skewness of a metric's per-unit
    values, all arms together. ``immature`` counts the units that were exposed too late for a metric's window, and
    ``late_events`` the events that arrived more than a day after they happened, of ``events`` in all. ``responses``
    counts the units of each arm that gave a score.
    """

    plan: Plan
    source: Source
    units: Mapping[str, int]
    moments: Mapping[str, Mapping[str, Moments]]
    exclusions: tuple[Exclusion, ...] = ()
    units_in_two_arms: int = 0
    unknown_arms: Mapping[str, int] = field(default_factory=dict)
    before: Mapping[str, Mapping[str, Moments]] = field(default_factory=dict)
    skew: Mapping[str, float] = field(default_factory=dict)
    immature: Mapping[str, int] = field(default_factory=dict)
    late_events: int = 0
    events: int = 0
    responses: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    looks: Looks = field(default_factory=Looks)
