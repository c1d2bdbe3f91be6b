"""The Bayesian view of an effect, beside the comparison and from the same numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from experiments.contracts import Direction, Posterior
from experiments.errors import InvalidInput

# Beyond so many standard deviations a normal loss is below the smallest double.
FARTHEST = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What was believed about an effect before the data: normal, on the scale of the effect (treatment minus control).

    ``sd`` nan, from a control without a mean, gives a posterior of nan.

    >>> Prior(sd=0.5)
    Prior(mean=0.0, sd=0.5)
    """

    mean: float = 0.0
    sd: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.mean):
            raise InvalidInput("prior mean", f"{self.mean:g} must be finite")
        if self.sd <= 0 or math.isinf(self.sd):
            raise InvalidInput("prior sd", f"{self.sd:g} must be above 0 and finite")

    @classmethod
    def relative(cls, sd: float, control_mean: float) -> Prior:
        """A prior around no effect whose width is a fraction of the control mean: sd · |m_C|.

        Args:
            sd: standard deviation of relative effects, a fraction, > 0. Most experiments of a mature product move
                their metric by less than a few percent.
            control_mean: in the metric's unit. 0 or nan has no relative effects: ``sd`` becomes nan.

        Raises:
            InvalidInput: ``sd`` not above 0 and finite.

        >>> Prior.relative(0.02, -50.0)
        Prior(mean=0.0, sd=1.0)
        """
        if not 0 < sd < math.inf:
            raise InvalidInput("prior sd", f"{sd:g} must be above 0 and finite")
        width = sd * abs(control_mean)
        return cls(sd=width if 0 < width < math.inf else math.nan)


def posterior(
    *, effect: float, se: float, direction: Direction, alpha: float, prior: Prior | None = None, arm: str = ""
) -> Posterior:
    """What to believe about an effect: the chance that the treatment is better, and what either choice may cost.

    Likelihood effect ~ N(δ, se²); prior δ ~ N(m₀, s₀²). With w = s₀² / (s₀² + se²):
    posterior δ ~ N(m₀ + w (effect − m₀), w se²). Without a prior w = 1: the posterior is N(effect, se²).
    With g = δ where more is better and −δ where less is, μ = E[g], σ its sd, z = μ / σ:
    chance to beat = Φ(z); expected loss E[max(0, −g)] = σ (φ(z) − z Φ(−z)); loss of staying E[max(0, g)] = the same
    at −z. Their difference is −μ. The interval is equal-tailed: mean ± z_{1−alpha/2} · sd.

    Args:
        effect: treatment minus control, in the metric's unit.
        se: its standard error, same unit, ≥ 0.
        direction: which way is good.
        alpha: 1 − credibility of the interval, in (0, 1).
        prior: on the effect; None is flat.
        arm: the treatment's key.

    Returns:
        mean, sd and interval of treatment minus control; the losses in the metric's unit, ≥ 0. nan everywhere where
        the effect, ``se`` or the prior's sd is not finite, or ``se`` is 0.

    Raises:
        InvalidInput: alpha out of range, or ``se`` below 0.

    Source: A. Gelman et al. (2013), Bayesian Data Analysis, 3rd ed., 2.5; H. Raiffa, R. Schlaifer (1961), Applied
    Statistical Decision Theory, 5.4 (unit normal loss).

    >>> result = posterior(effect=2.0, se=1.0, direction=Direction.INCREASE, alpha=0.05, prior=Prior(sd=1.0))
    >>> result.mean, round(result.chance_to_beat, 4), round(result.expected_loss, 4), round(result.loss_of_staying, 4)
    (1.0, 0.9214, 0.0251, 1.0251)
    """
    if not 0 < alpha < 1:
        raise InvalidInput("alpha", f"{alpha:g} must be above 0 and below 1")
    if se < 0:
        raise InvalidInput("se", f"{se:g} must not be negative")
    mean, sd = _updated(effect, se, prior)
    if not (math.isfinite(mean) and 0 < sd < math.inf):
        mean = sd = math.nan
    gain = mean if direction is Direction.INCREASE else -mean
    expected_loss, loss_of_staying = _losses(gain, sd)
    margin = -float(special.ndtri(alpha / 2)) * sd
    return Posterior(
        arm=arm,
        chance_to_beat=float(special.ndtr(gain / sd)),
        expected_loss=expected_loss,
        loss_of_staying=loss_of_staying,
        mean=mean,
        sd=sd,
        ci_low=mean - margin,
        ci_high=mean + margin,
    )


def _updated(effect: float, se: float, prior: Prior | None) -> tuple[float, float]:
    """Mean and sd of the posterior effect, w as 1 / (1 + (se / s₀)²); a se of 0 stays 0."""
    if prior is None or se == 0:
        return effect, se
    ratio = se / prior.sd
    return prior.mean + (effect - prior.mean) / (1 + ratio * ratio), se / math.hypot(1.0, ratio)


def _losses(gain: float, sd: float) -> tuple[float, float]:
    """E[max(0, −g)] and E[max(0, g)] of g ~ N(gain, sd²).

    The smaller one is sd · φ(z) (1 − z M(z)) at z = |gain| / sd with Mills' ratio M = Φ(−z) / φ(z): the difference is
    taken between numbers near 1, not between tails. The larger one is |gain| more.
    """
    z = abs(gain / sd)
    if z > FARTHEST:
        smaller = 0.0
    else:
        mills = math.sqrt(math.pi / 2) * float(special.erfcx(z / math.sqrt(2)))
        smaller = sd * math.exp(-z * z / 2) / math.sqrt(2 * math.pi) * max(1 - z * mills, 0.0)
    larger = abs(gain) + smaller
    return (smaller, larger) if gain > 0 else (larger, smaller)
