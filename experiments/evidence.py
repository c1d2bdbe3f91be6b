"""What was measured, before anything is inferred or judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from experiments.contracts import Calibration, Exclusion, Looks, Source
from experiments.stats.counts import Counts
from experiments.stats.moments import Moments


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a report is made of, beside the plan.

    ``moments`` go from metric key to arm key; their columns are (numerator, denominator) for ratios, (value,)
    otherwise, and then the metric's covariates. They are capped where the plan says so: ``raw`` holds the same
    uncapped, ``caps`` the cap. Quantiles have ``values`` instead, and so have metrics whose distributions are compared.
    ``segments`` go from metric key to dimension, segment and arm key, ``novelty`` from metric key to arm key: moments
    of each unit's second week minus its first.

    ``units`` counts analysed units per arm (after exclusions), ``units_in_two_arms`` those left out for it,
    ``unknown_arms`` those whose arm is not planned. The rest is that of a health check's
    context.
    """

    source: Source
    units: Mapping[str, int]
    moments: Mapping[str, Mapping[str, Moments]]
    raw: Mapping[str, Mapping[str, Moments]] = field(default_factory=dict)
    caps: Mapping[str, float] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Counts]] = field(default_factory=dict)
    segments: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Moments]]]] = field(default_factory=dict)
    novelty: Mapping[str, Mapping[str, Moments]] = field(default_factory=dict)
    exclusions: tuple[Exclusion, ...] = ()
    units_in_two_arms: int = 0
    unknown_arms: Mapping[str, int] = field(default_factory=dict)
    before: Mapping[str, Mapping[str, Moments]] = field(default_factory=dict)
    skew: Mapping[str, float] = field(default_factory=dict)
    immature: Mapping[str, int] = field(default_factory=dict)
    late_events: int = 0
    events: int = 0
    looks: Looks = field(default_factory=Looks)
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
