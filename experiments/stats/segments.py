"""Whether an effect differs between segments, and by how much once chance is allowed for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import special

from experiments.errors import InvalidInput
from experiments.stats.multiplicity import Discoveries, benjamini_hochberg


@dataclass(frozen=True, slots=True, kw_only=True)
class Heterogeneity:
    """How far the effects of segments lie apart, in the metric's unit.

    ``q`` has a chi-square distribution on ``df`` degrees of freedom where the true effect is the same everywhere.
    ``tau2`` estimates the variance of the true effects between segments. ``shrunk`` holds for each segment its effect
    drawn to ``mean`` and the standard error of that, (nan, nan) for a segment that cannot answer.
    """

    q: float
    df: int
    p_value: float
    mean: float
    mean_se: float
    tau2: float
    shrunk: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What may be said about single segments: nothing, unless the effect ``differs`` between them.

    ``discoveries`` judges the segments' own p-values together; ``stands_out`` is per segment, all False behind a gate
    that is shut.
    """

    heterogeneity: Heterogeneity
    discoveries: Discoveries
    differs: bool
    stands_out: tuple[bool, ...]


def heterogeneity(effects: Sequence[float], ses: Sequence[float]) -> Heterogeneity:
    """Cochran's Q, the spread of the true effects behind it, and the effects shrunk accordingly.

    With w_s = 1 / se_s²: mean d̄ = Σ w d / Σ w, mean_se = (Σ w)^(−1/2), Q = Σ w (d − d̄)² on k − 1 degrees of freedom,
    τ² = max(0, (Q − (k − 1)) / (Σ w − Σ w² / Σ w)).
    Shrunk: d̄ + B (d − d̄) with B = τ² / (τ² + se²); its se² = B se² + (1 − B)² (Var(d̄) + 2 (d − d̄)² / max(k − 3, 1))
    with Var(d̄) = Σ w² (se² + τ²) / (Σ w)². The first two terms are the mean squared error if τ² were known, the third
    is for its being estimated.

    Args:
        effects: treatment minus control in each segment.
        ses: their standard errors; a segment that has none above 0, or no effect, is left out and keeps its place.

    Returns:
        q, p-value, mean, τ² and shrunk effects; nan where fewer than two segments can answer.

    Raises:
        InvalidInput: not one standard error per effect.

    Sources: W. G. Cochran (1954), The combination of estimates from different experiments, Biometrics 10, 101-129;
    R. DerSimonian, N. Laird (1986), Controlled Clinical Trials 7, 177-188; C. N. Morris (1983), Parametric empirical
    Bayes inference, JASA 78, 47-55, here with one d̄ for all se.

    >>> found = heterogeneity([1.0, 2.0, 6.0], [1.0, 1.0, 1.0])
    >>> found.q, found.df, round(found.p_value, 4), round(found.tau2, 6)
    (14.0, 2, 0.0009, 6.0)
    >>> [round(effect, 2) for effect, _ in found.shrunk]
    [1.29, 2.14, 5.57]
    """
    if len(effects) != len(ses):
        raise InvalidInput("ses", f"{len(ses)} for {len(effects)} effects, must be one each")
    usable = [(d, se) for d, se in zip(effects, ses, strict=True) if _answers(d, se)]
    if len(usable) < 2:
        return _unknown(len(effects))
    smallest = min(se for _, se in usable)
    weights = [(smallest / se) ** 2 for _, se in usable]  # w · smallest², which cannot overflow
    total = math.fsum(weights)
    mean = math.fsum(w / total * d for w, (d, _) in zip(weights, usable, strict=True))
    q = sum(((d - mean) / se) * ((d - mean) / se) for d, se in usable)
    df = len(usable) - 1
    spread = math.fsum(w * (total - w) for w in weights) / total
    tau = smallest * math.sqrt(max(q - df, 0.0) / spread) if spread else math.nan
    noise = math.hypot(*(w / total * math.hypot(se, tau) for w, (_, se) in zip(weights, usable, strict=True)))
    doubt = math.sqrt(2 / max(df - 2, 1))
    return Heterogeneity(
        q=q,
        df=df,
        p_value=float(special.chdtrc(df, q)),
        mean=mean,
        mean_se=smallest / math.sqrt(total),
        tau2=tau * tau,
        shrunk=tuple(
            _shrink(d, se, mean=mean, noise=noise, tau=tau, doubt=doubt) for d, se in zip(effects, ses, strict=True)
        ),
    )


def segment_gate(effects: Sequence[float], ses: Sequence[float], p_values: Sequence[float], alpha: float) -> Gate:
    """Which segments stand out, asked only where the effect differs between segments.

    The gate opens where the p-value of Q is at most alpha. Behind it a segment stands out where its own p-value, of the
    hypothesis that the treatment does nothing there, is rejected by Benjamini and Hochberg's procedure over the
    segments. Tested is the own effect, not the deviation from the others: a decision about these users needs to know
    what the treatment does to them, the interval shown is that of the own effect, and that segments differ is what the
    gate has said already.

    Args:
        effects, ses: as for :func:`heterogeneity`.
        p_values: two-sided, of each segment's own effect; nan counts for none.
        alpha: of the gate and of the false discovery rate behind it, in (0, 1).

    Returns:
        the test of difference, the joint judgement and what stands out; all False where the data cannot answer.

    Raises:
        InvalidInput: alpha or a p-value out of range, or lengths that differ.

    >>> gate = segment_gate([0.1, 0.2, 3.0], [0.5, 0.5, 0.5], [0.84, 0.69, 2e-9], 0.05)
    >>> gate.differs, gate.stands_out
    (True, (False, False, True))
    """
    if len(p_values) != len(effects):
        raise InvalidInput("p_values", f"{len(p_values)} for {len(effects)} effects, must be one each")
    found = heterogeneity(effects, ses)
    members = [p if _answers(d, se) else math.nan for d, se, p in zip(effects, ses, p_values, strict=True)]
    discoveries = benjamini_hochberg(members, alpha)
    differs = found.p_value <= alpha
    return Gate(
        heterogeneity=found,
        discoveries=discoveries,
        differs=differs,
        stands_out=tuple(differs and p <= alpha for p in discoveries.adjusted),
    )


def _answers(effect: float, se: float) -> bool:
    return math.isfinite(effect) and 0 < se < math.inf


def _shrink(effect: float, se: float, *, mean: float, noise: float, tau: float, doubt: float) -> tuple[float, float]:
    if not _answers(effect, se):
        return math.nan, math.nan
    kept = 1 / (1 + (se / tau) * (se / tau)) if tau else 0.0
    gap, drawn = effect - mean, 1 - kept
    return mean + kept * gap, math.hypot(math.sqrt(kept) * se, drawn * noise, drawn * doubt * gap)


def _unknown(segments: int) -> Heterogeneity:
    return Heterogeneity(
        q=math.nan,
        df=0,
        p_value=math.nan,
        mean=math.nan,
        mean_se=math.nan,
        tau2=math.nan,
        shrunk=((math.nan, math.nan),) * segments,
    )
