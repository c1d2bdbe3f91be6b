"""By how much an effect is exaggerated that was reported because it crossed a bound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from scipy import special

from experiments.errors import InvalidInput
from experiments.stats.passage import Passage
from experiments.stats.spending import bounds, single_look_drift

RAREST = 1e-12  # chance of a stop; below it there is nobody to speak of


def exaggeration(critical: float, signal_to_noise: float) -> float:
    """The mean of reported over true effect, of those that one look reports on the right side: the type M error.

    E[Z | Z ≥ critical] / signal_to_noise with Z ~ N(signal_to_noise, 1).

    Args:
        critical: z at and beyond which an effect is reported.
        signal_to_noise: true effect / standard error, > 0.

    Raises:
        InvalidInput: signal_to_noise out of range.

    Source: A. Gelman, J. Carlin (2014), Beyond power calculations, Perspectives on Psychological Science 9, 641-651.

    >>> round(exaggeration(1.96, 2.8), 3), round(exaggeration(1.96, 1.0), 2)
    (1.125, 2.49)
    """
    if not signal_to_noise > 0:
        raise InvalidInput("signal_to_noise", f"{signal_to_noise:g} must be above 0")
    # the inverse Mills ratio φ(d) / (1 − Φ(d)), by a scaled function: far out both parts vanish
    hazard = math.sqrt(2 / math.pi) / float(special.erfcx((critical - signal_to_noise) / math.sqrt(2)))
    return (signal_to_noise + hazard) / signal_to_noise


def early_stop_exaggeration(fractions: Sequence[float], alpha: float, power: float) -> float:
    """The mean of reported over true effect, of the experiments that stop at the last of these looks.

    E[Z_k | Z_k ≥ b_k, no bound crossed before] / (drift √t_k), by spending bounds, for a true effect that one look at
    the planned end would find with this power: drift = z_{1−α/2} + z_{power}.

    Args:
        fractions: of the planned units at each look so far, strictly increasing, in (0, 1].
        alpha: two-sided error rate over all looks, in (0, 1).
        power: that was planned with, in (alpha, 1).

    Returns:
        the ratio: the higher, the earlier the look, and below 1 at the last one, which larger effects do not live to
        see; nan where such an effect practically never stops an experiment there.

    Raises:
        InvalidInput: fractions, alpha or power out of range.

    Source: S. J. Pocock, M. D. Hughes (1989), Practical problems in interim analyses, with particular regard to
    estimation, Controlled Clinical Trials 10, 209S-221S.

    >>> round(early_stop_exaggeration([0.2, 0.4, 0.6], 0.05, 0.8), 2)
    1.47
    """
    return _early_stop(tuple(fractions), alpha, power)


@lru_cache(maxsize=64)
def _early_stop(fractions: tuple[float, ...], alpha: float, power: float) -> float:
    drift, limits = single_look_drift(alpha, power), bounds(fractions, alpha)
    score = Passage.start(fractions[0])
    for limit, following in zip(limits[:-1], fractions[1:], strict=True):
        score = score.within(limit, following)
    chance, total = score.beyond(limits[-1], drift)
    return total / chance / (drift * fractions[-1]) if chance > RAREST else math.nan
