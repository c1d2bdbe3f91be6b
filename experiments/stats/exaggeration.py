"""By how much an effect is exaggerated that was reported because it crossed a bound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import special

from experiments.errors import InvalidInput
from experiments.stats.passage import Passage
from experiments.stats.spending import bounds, check_fractions


def exaggeration(critical: float, signal_to_noise: float) -> float:
    """E[Z | Z ≥ critical] / signal_to_noise with Z ~ N(signal_to_noise, 1): the type M error of one look.

    Args:
        critical: z beyond which an effect is reported, > 0.
        signal_to_noise: true effect / standard error, > 0.

    Source: A. Gelman, J. Carlin (2014), Beyond power calculations, Perspectives on Psychological Science 9, 641-651.

    >>> round(exaggeration(1.96, 2.8), 3), round(exaggeration(1.96, 1.0), 2)
    (1.125, 2.49)
    """
    if not signal_to_noise > 0:
        raise InvalidInput("signal_to_noise", f"{signal_to_noise:g} must be above 0")
    distance = critical - signal_to_noise
    # the inverse Mills ratio, in logarithms: far out both parts vanish
    hazard = math.exp(-distance * distance / 2 - math.log(math.sqrt(2 * math.pi)) - special.log_ndtr(-distance))
    return (signal_to_noise + hazard) / signal_to_noise


def early_stop_exaggeration(fractions: Sequence[float], alpha: float, power: float) -> float:
    """The mean of reported over true effect, of experiments that stop at the last of these looks.

    E[Z_k | Z_k ≥ b_k, no bound crossed before] / (drift √t_k), for a true effect that one look at the end would find
    with this power: drift = z_{1−α/2} + z_{power}.

    Args:
        fractions: of the planned units at each look so far.
        alpha: two-sided error rate over all looks.
        power: of the design, in (alpha, 1).

    Returns:
        the ratio, nan where such a stop practically never happens.

    >>> round(early_stop_exaggeration([0.2, 0.4, 0.6], 0.05, 0.8), 2)
    1.47
    """
    if not alpha < power < 1:
        raise InvalidInput("power", f"{power:g} must be above alpha and below 1")
    check_fractions(fractions)
    return _early_stop(tuple(fractions), alpha, power)


@lru_cache(maxsize=64)
def _early_stop(fractions: tuple[float, ...], alpha: float, power: float) -> float:
    drift = -float(special.ndtri(alpha / 2) + special.ndtri(1 - power))
    limits = bounds(fractions, alpha)
    passage = Passage.start(drift=drift)
    for fraction, limit in zip(fractions[:-1], limits[:-1], strict=True):
        _, passage = passage.advance(fraction, np.array([limit]))
    chance, total = passage.beyond(fractions[-1], limits[-1])
    return total / chance / (drift * fractions[-1]) if chance > 1e-12 else math.nan
