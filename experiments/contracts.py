"""The shapes that cross a border of this domain: what is measured, what was found, what to do.

Everything here is frozen and free of Django. Results keep ``nan`` where data cannot answer and say why with a
:class:`Reason`; relative effects are fractions; control comes first; money is in minor units (cents, fen) until a
page writes it.

Text for people is an English template with named parameters (:class:`Message`), so that a page can translate it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


def gettext_noop(message: str) -> str:
    """Mark a text for the translation catalogue; pages translate it when they show it."""
    return message


class Kind(StrEnum):
    """How a metric is computed from per-unit sums."""

    MEAN = "mean"  # numerator per unit
    PROPORTION = "proportion"  # share of units whose numerator is above 0
    RATIO = "ratio"  # sum of numerators / sum of denominators


class Direction(StrEnum):
    """Which way is good."""

    INCREASE = "increase"
    DECREASE = "decrease"


class Role(StrEnum):
    """What a metric is for in one experiment."""

    PRIMARY = "primary"
    GUARDRAIL = "guardrail"
    SECONDARY = "secondary"


class Scale(StrEnum):
    """How a page writes the number of a metric."""

    SHARE = "share"  # a fraction, shown as %
    NUMBER = "number"
    MONEY = "money"  # minor units of the experiment's currency


class Unit(StrEnum):
    """What was randomised, and therefore what is analysed."""

    USER = "user"
    IMPRESSION = "impression"


class Reason(StrEnum):
    """Why a number is absent or needs a caveat."""

    NO_UNITS = "NO_UNITS"
    TOO_FEW_UNITS = "TOO_FEW_UNITS"
    NO_VARIANCE = "NO_VARIANCE"
    NO_DENOMINATOR = "NO_DENOMINATOR"
    ZERO_BASELINE = "ZERO_BASELINE"
    UNBOUNDED = "UNBOUNDED"
    MISSING = "MISSING"


class Severity(StrEnum):
    """How bad a finding is. ``FAILURE`` vetoes the verdict."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


class Decision(StrEnum):
    """What the evidence says about one treatment, before anybody decides."""

    BETTER = "better"
    WORSE = "worse"
    UNSETTLED = "unsettled"
    DO_NOT_TRUST = "do_not_trust"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A sentence: an English template in ``%(name)s`` style and its parameters."""

    template: str
    params: Mapping[str, str | int | float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The English sentence."""
        return self.template % dict(self.params)


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A signed sum or count over a unit's events of one name.

    ``value`` False counts the events, True sums their ``value`` (money in minor units, survey score).
    """

    event: str
    value: bool = False
    sign: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDefinition:
    """What one metric measures, per unit, over the events since the unit's first exposure.

    ``window_days`` limits the events to that many days since first exposure; None takes all.
    ``denominator`` belongs to ratios only.
    """

    key: str
    name: str
    kind: Kind
    numerator: tuple[Term, ...]
    denominator: tuple[Term, ...] = ()
    direction: Direction = Direction.INCREASE
    scale: Scale = Scale.NUMBER
    window_days: int | None = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedArm:
    """One arm as planned. ``weight`` is relative to the other arms'."""

    key: str
    weight: float = 1.0
    name: str = ""
    strategy: str = ""  # "key@version", "" where no strategy of ours is behind the arm

    @property
    def label(self) -> str:
        """What people call the arm."""
        return self.name or self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMetric:
    """A metric and the role it has in one experiment."""

    key: str
    name: str
    kind: Kind
    role: Role = Role.SECONDARY
    direction: Direction = Direction.INCREASE
    scale: Scale = Scale.NUMBER
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a report needs to know beside the data. ``arms[0]`` is the control."""

    title: str
    unit: Unit
    arms: tuple[PlannedArm, ...]
    metrics: tuple[PlannedMetric, ...]
    alpha: float = 0.05
    currency: str = ""
    unit_note: str = ""  # said beside the unit, for instance that there is no user id
    repeated_looks: bool = False  # True: looked at again and again, so the split is tested by an e-value
    simulated: bool = False
    truth: Mapping[str, float] = field(default_factory=dict)  # metric key → true relative effect, simulated data only


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """Rows or units left out of the analysis, and why."""

    code: str
    count: int
    what: str  # "rows" or "units"
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the numbers come from, enough to compute them again."""

    name: str
    rows: int | None = None
    lake_version: int | None = None
    code_version: str = ""
    computed_at: datetime | None = None
    first_event: datetime | None = None
    last_event: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSummary:
    """One arm on one metric. ``mean`` is the metric's value: a mean, a share or a ratio of sums."""

    arm: str
    n: int
    numerator: float
    denominator: float  # sum of denominators of a ratio; n otherwise
    mean: float
    sd: float  # of the per-unit values, of the linearised values for a ratio
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One treatment against control on one metric; treatment minus control.

    ``p_value`` is two-sided and comes from the absolute difference; it is ≤ alpha exactly when 0 lies outside
    [``ci_low``, ``ci_high``], and exactly when 0 lies outside the relative interval. An unbounded side of the
    relative interval is ±inf and carries :attr:`Reason.UNBOUNDED`.
    """

    arm: str
    control: str
    effect: float
    se: float
    df: float
    ci_low: float
    ci_high: float
    p_value: float
    log_p: float  # natural logarithm, finite where p_value underflows to 0
    rel_effect: float
    rel_ci_low: float
    rel_ci_high: float
    alpha: float
    reasons: tuple[Reason, ...] = ()

    @property
    def significant(self) -> bool:
        """Whether 0 lies outside the interval."""
        return self.p_value <= self.alpha


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricResult:
    """One metric: its arms (control first) and its comparisons with control."""

    metric: PlannedMetric
    arms: tuple[ArmSummary, ...]
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one health check saw, for a product manager, and what to do about it."""

    check: str
    severity: Severity
    message: Message
    action: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the evidence says about one treatment arm on the primary metric."""

    arm: str
    decision: Decision
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A frozen result: trust (findings, exclusions), verdicts, metrics, and where it all comes from."""

    plan: Plan
    source: Source
    exclusions: tuple[Exclusion, ...]
    findings: tuple[Finding, ...]
    verdicts: tuple[Verdict, ...]
    metrics: tuple[MetricResult, ...]
