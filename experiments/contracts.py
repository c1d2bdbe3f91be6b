"""The shapes that cross a border of this domain: what is measured, what was found, what to do.

Everything here is frozen and free of Django. Results keep ``nan`` where data cannot answer and say why with a
:class:`Reason`; relative effects are fractions; control comes first; money is in minor units (cents, fen) until a
page writes it.

Text for people is an English template with named parameters (:class:`Message`), so that a page can translate it.
"""

from __future__ import annotations

import math
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
    QUANTILE = "quantile"  # a quantile of the numerators, over units


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
    TOO_EARLY = "TOO_EARLY"


class Stopping(StrEnum):
    """How often a result may be read, chosen when the experiment is set up and frozen at its start."""

    ONCE = "once"  # one look, when all planned units are in
    SPENDING = "spending"  # a planned end, looks in between: group sequential
    SEQUENCE = "sequence"  # no planned end: a confidence sequence


class Correction(StrEnum):
    """For how many comparisons the p-values and intervals of a metric account."""

    NONE = "none"
    DUNNETT = "dunnett"  # several treatments, one look
    SIDAK = "sidak"  # several treatments, many looks
    FALSE_DISCOVERY = "false_discovery"  # secondary metrics: Benjamini-Hochberg


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


class Action(StrEnum):
    """What the rule that was registered before the start says to do."""

    SHIP = "ship"
    ROLL_BACK = "roll_back"
    KEEP_RUNNING = "keep_running"
    DO_NOT_TRUST = "do_not_trust"


class Standing(StrEnum):
    """Where one treatment stands on a guardrail."""

    HOLDS = "holds"  # shown to be within the margin
    HARMED = "harmed"  # significantly worse, and not shown to be within the margin
    OPEN = "open"  # neither is shown


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

    ``window_days`` limits the events to that many days since first exposure, ``after_days`` leaves out those before
    that many days; only units exposed long enough ago count. None takes all. ``denominator`` belongs to ratios only.
    ``covariate_days`` takes the same metric over that many days before first exposure as a covariate; ``winsor`` caps a
    unit's value at this quantile of the non-zero values of all arms together; ``quantile`` belongs to quantiles only;
    ``ranked`` compares the distributions of values as well as their means.
    """

    key: str
    name: str
    kind: Kind
    numerator: tuple[Term, ...]
    denominator: tuple[Term, ...] = ()
    direction: Direction = Direction.INCREASE
    scale: Scale = Scale.NUMBER
    window_days: int | None = None
    after_days: int | None = None
    covariate_days: int | None = None
    winsor: float | None = None
    quantile: float | None = None
    ranked: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedArm:
    """One arm as planned. ``weight`` is relative to the other arms'."""

    key: str
    weight: float = 1.0
    name: str = ""
    strategy: str = ""  # "key@version", "" where no strategy of ours is behind the arm
    exploration: float = 0.0  # chance of each slot to be filled at random

    @property
    def label(self) -> str:
        """What people call the arm."""
        return self.name or self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMetric:
    """A metric and the role it has in one experiment.

    ``margin`` is the relative harm that a guardrail tolerates, a fraction above 0; ``covariates`` name what the metric
    is adjusted by, known before exposure; ``winsor`` and ``quantile`` are those of the definition.
    """

    key: str
    name: str
    kind: Kind
    role: Role = Role.SECONDARY
    direction: Direction = Direction.INCREASE
    scale: Scale = Scale.NUMBER
    margin: float | None = None
    covariates: tuple[str, ...] = ()
    winsor: float | None = None
    quantile: float | None = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRule:
    """What to do with which evidence, registered before the start.

    Ship a treatment that is better on the primary metric while no guardrail is harmed; roll back one that is worse or
    harms a guardrail; ``if_unsettled`` when the planned end is reached without an answer. With ``strict_guardrails``
    every guardrail that has a margin must be shown to hold before shipping.
    """

    if_unsettled: Action = Action.ROLL_BACK
    strict_guardrails: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a report needs to know beside the data. ``arms[0]`` is the control.

    ``planned_units`` are all arms' together. ``complete`` says that no more units will come. ``prior_sd`` is the
    standard deviation of the relative effects that people expect; None leaves the prior out.
    """

    title: str
    unit: Unit
    arms: tuple[PlannedArm, ...]
    metrics: tuple[PlannedMetric, ...]
    alpha: float = 0.05
    stopping: Stopping = Stopping.ONCE
    planned_units: int | None = None
    complete: bool = True
    rule: DecisionRule = DecisionRule()
    prior_sd: float | None = None
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

    ``p_value`` is two-sided, comes from the absolute difference and accounts for looks and for other comparisons; it is
    ≤ alpha exactly when 0 lies outside [``ci_low``, ``ci_high``] = effect ± ``critical`` · se, and exactly when 0 lies
    outside the relative interval. ``unadjusted_p`` is that of one look and one comparison. An unbounded side of the
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
    critical: float = math.nan
    unadjusted_p: float = math.nan
    reasons: tuple[Reason, ...] = ()

    @property
    def significant(self) -> bool:
        """Whether 0 lies outside the interval."""
        return self.p_value <= self.alpha


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """One treatment on one guardrail: is it within ``margin`` of the control, in the direction of harm?

    ``p_value`` is one-sided, of the hypothesis that the relative harm is ``margin`` or more; at most alpha / 2 exactly
    when ``bound``, the harmful end of the relative interval, lies within the margin. nan without a margin.
    """

    arm: str
    margin: float
    p_value: float
    bound: float
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """The Bayesian view of one effect. Losses are in the metric's unit, ≥ 0."""

    arm: str
    chance_to_beat: float
    expected_loss: float  # of shipping the treatment
    loss_of_staying: float  # of keeping the control
    mean: float
    sd: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Superiority:
    """P(T > C) + P(T = C) / 2 of one treatment: the chance that a unit of it has the higher value; .5 is even."""

    arm: str
    probability: float
    se: float
    df: float
    ci_low: float
    ci_high: float
    p_value: float
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentEffect:
    """One treatment in one segment. ``effect`` and its interval are as measured, ``shrunk`` is drawn to the mean.

    ``stands_out`` is only ever True behind the gate.
    """

    segment: str
    n: int
    effect: float
    se: float
    ci_low: float
    ci_high: float
    p_value: float
    shrunk: float
    shrunk_se: float
    stands_out: bool
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """One treatment by segment. ``differs`` is whether Cochran's Q finds that the effect is not the same everywhere."""

    dimension: str
    arm: str
    q: float
    df: float
    p_value: float
    differs: bool
    segments: tuple[SegmentEffect, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """The same metric in another way: ``raw`` values, ``unadjusted`` by covariates, ``stratified`` by a dimension."""

    name: str
    arms: tuple[ArmSummary, ...]
    comparisons: tuple[Comparison, ...]
    dimension: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How a metric's method did on re-randomised units, where no effect is. ``passed`` is the badge."""

    metric: str
    method: str
    runs: int
    units: int
    false_positives: float  # share of the runs with p ≤ alpha
    coverage: float  # share of the relative intervals that hold an effect that was put in
    uniformity_p: float  # Kolmogorov-Smirnov of the p-values against the uniform distribution
    alpha: float
    passed: bool
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricResult:
    """One metric: its arms (control first), its comparisons with control, and further views of the same data.

    ``reduction`` is the share of the variance that covariates took away, ``cap`` the value at which units were capped.
    ``novelty`` compares the change from a unit's first to its second week between the arms.
    """

    metric: PlannedMetric
    arms: tuple[ArmSummary, ...]
    comparisons: tuple[Comparison, ...]
    correction: Correction = Correction.NONE
    guardrails: tuple[Guardrail, ...] = ()
    posteriors: tuple[Posterior, ...] = ()
    superiorities: tuple[Superiority, ...] = ()
    segments: tuple[Segments, ...] = ()
    novelty: tuple[Comparison, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    reduction: float = math.nan
    cap: float = math.nan
    calibration: Calibration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one health check saw, for a product manager, and what to do about it."""

    check: str
    severity: Severity
    message: Message
    action: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the evidence says about one treatment on the primary metric, and what the registered rule makes of it.

    ``message`` is the one sentence; ``money`` says what it is worth, ``change`` what would change the verdict.
    """

    arm: str
    decision: Decision
    message: Message
    action: Action = Action.KEEP_RUNNING
    money: Message | None = None
    change: Message | None = None
    notes: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """How far an experiment is by its stopping plan. ``fractions`` are of the planned units, this look last.

    ``after_end`` counts the earlier looks that had all planned units already.
    """

    fractions: tuple[float, ...] = ()
    units: int = 0
    planned_units: int | None = None
    days: float = math.nan  # since the first exposure
    after_end: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A frozen result: trust (findings, exclusions), verdicts, metrics, and where it all comes from."""

    plan: Plan
    source: Source
    exclusions: tuple[Exclusion, ...]
    findings: tuple[Finding, ...]
    verdicts: tuple[Verdict, ...]
    metrics: tuple[MetricResult, ...]
    looks: Looks = Looks()
