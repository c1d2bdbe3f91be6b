"""How many units an experiment needs, and which effect a given number of units can show."""

from __future__ import annotations

import math
from dataclasses import dataclass

from experiments.contracts import Direction, Kind, Reason
from experiments.errors import InvalidInput
from experiments.stats.estimate import estimate
from experiments.stats.moments import Moments
from experiments.stats.power import LEAST, chance, noncentrality, units_for, welch_df

LARGEST = 1e15  # units; more is no plan, and the floats run out of whole numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What the control is expected to look like.

    ``var`` (ddof = 1) is of the per-unit values, of the linearised values for a ratio; ``reduction`` is the share of it
    that covariates take away. A share p keeps var ∝ p (1 − p) in the treatment, any other metric the control's
    variance. nan is data that is missing; a negative variance, or a reduction outside [0, 1], is an error.

    >>> Baseline.from_moments(Moments.from_arrays([0.0, 1.0, 0.0, 0.0]), Kind.PROPORTION)
    Baseline(mean=0.25, var=0.25, reduction=0.0, kind=<Kind.PROPORTION: 'proportion'>)
    """

    mean: float
    var: float
    reduction: float = 0.0
    kind: Kind = Kind.MEAN

    def __post_init__(self) -> None:
        if self.var < 0:
            raise InvalidInput("var", f"{self.var:g} must not be negative")
        if self.reduction < 0 or self.reduction > 1:
            raise InvalidInput("reduction", f"{self.reduction:g} must be at least 0 and at most 1")
        if self.kind is Kind.QUANTILE:
            raise InvalidInput("kind", f"{self.kind} has no variance per unit to plan with")
        if self.kind is Kind.PROPORTION and (self.mean < 0 or self.mean > 1):
            raise InvalidInput("mean", f"{self.mean:g} must be at least 0 and at most 1 for a {self.kind}")

    @classmethod
    def from_moments(cls, moments: Moments, kind: Kind, *, reduction: float = 0.0) -> Baseline:
        """The baseline that recent units of the same metric, over a window as long as the planned one, point to."""
        value = estimate(moments, kind)
        return cls(mean=value.mean, var=value.var, reduction=reduction, kind=kind)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why nothing can be planned; empty where it can."""
        if not (math.isfinite(self.mean) and math.isfinite(self.noise)):
            return (Reason.MISSING,)
        return () if self.noise else (Reason.NO_VARIANCE,)

    @property
    def noise(self) -> float:
        """The variance that is left: var (1 − reduction)."""
        return self.var * (1 - self.reduction)

    @property
    def curvature(self) -> float:
        """k in the treatment's variance, noise + k (1 − 2 mean) effect − k effect²; 0 unless it is a share."""
        return self.noise / (self.mean * (1 - self.mean)) if self.kind is Kind.PROPORTION else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How the experiment will be run and judged.

    ``weights`` are relative, control first. ``inflation`` is the factor on the units that looking more than once
    costs; 1 for one look. ``comparisons`` with control share ``alpha`` (Šidák); as many as treatments where it is None.
    ``power`` is of each comparison, that is, of the one with the smallest treatment.

    >>> round(Design(weights=(1, 1, 1)).level, 5)
    0.02532
    """

    alpha: float = 0.05
    power: float = 0.8
    weights: tuple[float, ...] = (1.0, 1.0)
    inflation: float = 1.0
    comparisons: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise InvalidInput("alpha", f"{self.alpha:g} must be above 0 and below 1")
        if not self.alpha < self.power < 1:
            raise InvalidInput("power", f"{self.power:g} must be above alpha ({self.alpha:g}) and below 1")
        if len(self.weights) < 2 or not all(0 < weight < math.inf for weight in self.weights):
            raise InvalidInput("weights", f"{self.weights} must be two or more numbers above 0, control first")
        if not 1 <= self.inflation < math.inf:
            raise InvalidInput("inflation", f"{self.inflation:g} must be at least 1")
        if self.comparisons is not None and self.comparisons < 1:
            raise InvalidInput("comparisons", f"{self.comparisons} must be at least 1")

    @property
    def level(self) -> float:
        """The two-sided error rate of one comparison: 1 − (1 − alpha)^(1 / comparisons)."""
        count = len(self.weights) - 1 if self.comparisons is None else self.comparisons
        return self.alpha if count == 1 else -math.expm1(math.log1p(-self.alpha) / count)

    @property
    def shares(self) -> tuple[float, ...]:
        """Each arm's share of the units."""
        return tuple(weight / math.fsum(self.weights) for weight in self.weights)

    @property
    def pair(self) -> tuple[float, float]:
        """The shares of the control and of the smallest treatment."""
        return self.shares[0], min(self.shares[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSize:
    """Units to plan for: all arms', and each arm's, whole numbers; nan, and reasons, where the data cannot answer."""

    units: float
    arms: tuple[float, ...]
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Detectable:
    """The smallest increase that ``units`` can show with the planned power; nan, and reasons, where none is known."""

    units: float
    effect: float
    rel_effect: float
    reasons: tuple[Reason, ...] = ()


def sample_size(
    baseline: Baseline, design: Design, *, effect: float | None = None, rel_effect: float | None = None
) -> SampleSize:
    """The fewest units that find an effect with the planned power.

    Power = P(|T| ≥ t_{1−level/2, df}), T noncentral t with noncentrality |effect| / se and df degrees of freedom;
    se² = v / n_C + v_T / n_T; df is Welch's for equal variances. The solution is multiplied by the design's inflation
    and each arm rounded up. In large samples n = (z_{1−level/2} + z_power)² (v / share_C + v_T / share_T) / effect².

    Args:
        baseline: the control's value, and variance per unit.
        design: error rate, power, split.
        effect: treatment minus control, not 0; or
        rel_effect: the same as a fraction of the control's value.

    Returns:
        units in all, and by arm, at least 5 each. ``UNBOUNDED`` where no number is enough: a share beyond 0 or 1.

    Raises:
        InvalidInput: no effect, both, or one that is 0 or not finite.

    Source: J. Cohen (1988), Statistical power analysis for the behavioral sciences, chapter 2.

    >>> sample_size(Baseline(mean=10.0, var=400.0), Design(), rel_effect=0.05)
    SampleSize(units=50236.0, arms=(25118.0, 25118.0), reasons=())
    """
    difference, reasons = _difference(baseline, effect, rel_effect)
    if reasons:
        return _no_size(design, reasons)
    return _size(abs(difference), _spread(baseline, difference, design), design)


def detectable_effect(baseline: Baseline, units: float, design: Design) -> Detectable:
    """The smallest increase that a number of units shows with the planned power: the minimum detectable effect.

    effect = δ √(v / n_C + v_T / n_T), where δ is the noncentrality at which :func:`sample_size`'s power is the planned
    one, and n is the arm's share of units / inflation. For a share v_T depends on the effect: a quadratic equation.

    Args:
        baseline: the control's value, and variance per unit.
        units: of all arms together, ≥ 0.
        design: error rate, power, split.

    Returns:
        the effect, absolute and relative (nan where the control's value is 0). ``UNBOUNDED`` where no increase is large
        enough: a share would pass 1.

    Raises:
        InvalidInput: units below 0.

    >>> found = detectable_effect(Baseline(mean=10.0, var=400.0), 50_236, Design())
    >>> round(found.effect, 4), round(found.rel_effect, 4)
    (0.5, 0.05)
    """
    n_c, n_t = _sizes(units, design)
    reasons = baseline.reasons or _too_few(n_c, n_t)
    if reasons:
        return Detectable(units=units, effect=math.nan, rel_effect=math.nan, reasons=reasons)
    delta = noncentrality(welch_df(n_c, n_t), design.level, design.power)
    step = delta * delta / n_t * baseline.curvature
    # (1 + step) effect² − step (1 − 2 mean) effect − δ² noise (1 / n_C + 1 / n_T) = 0
    half = step * (1 - 2 * baseline.mean) / 2
    constant = delta * delta * baseline.noise * (1 / n_c + 1 / n_t)
    effect = (half + math.sqrt(half * half + (1 + step) * constant)) / (1 + step)
    if not math.isfinite(effect) or (baseline.kind is Kind.PROPORTION and baseline.mean + effect > 1):
        return Detectable(units=units, effect=math.nan, rel_effect=math.nan, reasons=(Reason.UNBOUNDED,))
    if not baseline.mean:
        return Detectable(units=units, effect=effect, rel_effect=math.nan, reasons=(Reason.ZERO_BASELINE,))
    return Detectable(units=units, effect=effect, rel_effect=effect / baseline.mean)


def power_of(
    baseline: Baseline, units: float, design: Design, *, effect: float | None = None, rel_effect: float | None = None
) -> float:
    """The chance that a number of units finds an effect, by the formula of :func:`sample_size`.

    Args:
        baseline: the control's value, and variance per unit.
        units: of all arms together, ≥ 0.
        design: error rate and split; its power is not used.
        effect, rel_effect: one of them, as in :func:`sample_size`.

    Returns:
        the power of the comparison with the smallest treatment; nan where the data cannot answer.

    Raises:
        InvalidInput: no effect, both, or one that is 0 or not finite; units below 0.

    >>> round(power_of(Baseline(mean=10.0, var=400.0), 50_236, Design(), effect=0.5), 4)
    0.8
    """
    difference, reasons = _difference(baseline, effect, rel_effect)
    n_c, n_t = _sizes(units, design)
    spread = math.nan if reasons else _spread(baseline, difference, design)
    if _too_few(n_c, n_t) or not spread > 0:
        return math.nan
    delta = abs(difference) * math.sqrt(units / design.inflation / spread)
    return chance(delta, welch_df(n_c, n_t), design.level)


def non_inferiority_size(
    baseline: Baseline, margin: float, design: Design, *, direction: Direction = Direction.INCREASE
) -> SampleSize:
    """The fewest units that show a harmless treatment to be within a guardrail's margin, with the planned power.

    One-sided at level / 2: power = P(T ≥ t_{1−level/2, df}), noncentrality margin |mean| / √(v / n_T + k² v / n_C),
    k = 1 − margin for a metric that should rise and 1 + margin for one that should fall (the other way round where
    the control's value is negative). The treatment is taken to equal the control.

    Args:
        baseline: the control's value, and variance per unit.
        margin: tolerated relative harm, in (0, 1).
        design: error rate, power, split.
        direction: which way is good.

    Raises:
        InvalidInput: margin out of range.

    Source: ICH E9 (1998), Statistical principles for clinical trials, 3.3.2 and 3.5.

    >>> non_inferiority_size(Baseline(mean=10.0, var=400.0), 0.05, Design()).arms
    (23893.0, 23893.0)
    """
    if not 0 < margin < 1:
        raise InvalidInput("margin", f"{margin:g} must be above 0 and below 1")
    difference, reasons = _difference(baseline, None, margin)
    if reasons:
        return _no_size(design, reasons)
    falls = (direction is Direction.INCREASE) == (baseline.mean > 0)
    tolerated = 1 - margin if falls else 1 + margin
    c, t = design.pair
    spread = baseline.noise * (tolerated * tolerated / c + 1 / t)
    return _size(abs(difference), spread, design, one_sided=True)


def _difference(baseline: Baseline, effect: float | None, rel_effect: float | None) -> tuple[float, tuple[Reason, ...]]:
    """The absolute effect, and why there is none."""
    if (effect is None) == (rel_effect is None):
        raise InvalidInput("effect", "give either effect or rel_effect")
    name, given = ("effect", effect) if rel_effect is None else ("rel_effect", rel_effect)
    if given is None or not math.isfinite(given) or not given:
        raise InvalidInput(name, f"{given} must be a number other than 0")
    if baseline.reasons or rel_effect is None:
        return given, baseline.reasons
    return given * baseline.mean, () if baseline.mean else (Reason.ZERO_BASELINE,)


def _spread(baseline: Baseline, effect: float, design: Design) -> float:
    """The variance of the difference times the number of units; nan where a share would leave [0, 1]."""
    if baseline.kind is Kind.PROPORTION and not 0 <= baseline.mean + effect <= 1:
        return math.nan
    changed = baseline.curvature * ((1 - 2 * baseline.mean) - effect) * effect
    c, t = design.pair
    return baseline.noise / c + max(baseline.noise + changed, 0.0) / t


def _size(signal: float, spread: float, design: Design, *, one_sided: bool = False) -> SampleSize:
    units = units_for(signal, spread, design.pair, design.level, design.power, one_sided=one_sided) * design.inflation
    if not units <= LARGEST:
        return _no_size(design, (Reason.UNBOUNDED,))
    # a solution that is whole but for rounding needs no further unit
    arms = tuple(float(math.ceil(units * share * (1 - 1e-12))) for share in design.shares)
    return SampleSize(units=sum(arms), arms=arms)


def _no_size(design: Design, reasons: tuple[Reason, ...]) -> SampleSize:
    return SampleSize(units=math.nan, arms=(math.nan,) * len(design.weights), reasons=reasons)


def _sizes(units: float, design: Design) -> tuple[float, float]:
    """Units of the control and of the smallest treatment, as far as they count for one look."""
    if not units >= 0:
        raise InvalidInput("units", f"{units:g} must be at least 0")
    c, t = design.pair
    return c * units / design.inflation, t * units / design.inflation


def _too_few(n_c: float, n_t: float) -> tuple[Reason, ...]:
    if not n_c:
        return (Reason.NO_UNITS,)
    return (Reason.TOO_FEW_UNITS,) if min(n_c, n_t) < LEAST * (1 - 1e-12) else ()
