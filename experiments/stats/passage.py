"""The score process of an experiment between symmetric bounds, look by look."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special

Array = npt.NDArray[np.float64]

FARTHEST = 37.0  # standard deviations beyond which a density is 0 in double precision
RAREST = -600.0  # logarithm of a chance; below it the bounds of earlier looks play no part
REACH = 10.0  # of a Gaussian kernel, in standard deviations
NODES = 16  # of one panel of the quadrature
PANELS_PER_SD = 0.14
TOLERANCE = 1e-13
ROOT_2_PI = math.sqrt(2 * math.pi)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Passage:
    """S(t) ~ N(drift t, t) at one look, t its fraction of the planned units, if no bound was crossed at any before it.

    What is kept is the density at the look before, without drift, on the nodes of Gauss-Legendre panels between its
    bounds, as narrow as the smaller one of the steps to and from it needs. A drift multiplies a density at s by
    exp(drift s − drift² t / 2), so it takes no recursion of its own.

    Source: P. Armitage, C. K. McPherson, B. C. Rowe (1969), JRSS A 132, 235-244; C. Jennison, B. W. Turnbull (2000),
    Group Sequential Methods with Applications to Clinical Trials, chapter 19.
    """

    fraction: float  # of this look
    before: float = 0.0  # of the one before
    places: Array  # S at the look before
    masses: Array  # the probability that is put there
    panel: float = math.inf  # width

    @classmethod
    def start(cls, fraction: float) -> Passage:
        """The first look; before it S = 0."""
        return cls(fraction=fraction, places=np.zeros(1), masses=np.ones(1))

    def beyond(self, bound: float, drift: float = 0.0) -> tuple[float, float]:
        """The chance to be at or above bound √t, and the mean of S there times that chance."""
        step = self.fraction - self.before
        sd, limit = math.sqrt(step), bound * math.sqrt(self.fraction)
        masses = self.masses * np.exp(drift * self.places - drift * drift * self.before / 2)
        means = self.places + drift * step
        distance = (means - limit) / sd
        chance = special.ndtr(distance)
        excess = np.exp(-distance * distance / 2) * (sd / ROOT_2_PI)
        return float(masses @ chance), float(masses @ (means * chance + excess))

    def bound(self, log_chance: float) -> float:
        """The |z| that is reached with this chance, both sides together, without drift.

        Newton on the logarithm of the chance, which is concave, with bisection where it leaves what is known.
        """
        z = -float(special.ndtri_exp(log_chance - math.log(2)))  # if nobody had crossed before
        if not self.before or log_chance < RAREST:
            return z
        sd, root = math.sqrt(self.fraction - self.before), math.sqrt(self.fraction)
        low, high = 0.0, z * root
        limit = high
        for _ in range(200):
            distance = (self.places - limit) / sd
            chance = 2 * float(self.masses @ special.ndtr(distance))
            slope = 2 * float(self.masses @ np.exp(-distance * distance / 2)) / (sd * ROOT_2_PI)
            move = (math.log(chance) - log_chance) * chance / slope if chance > 0 and slope > 0 else -math.inf
            low, high = (limit, high) if move > 0 else (low, limit)
            last, limit = limit, limit + move if low <= limit + move <= high else (low + high) / 2
            if abs(limit - last) <= TOLERANCE * sd:
                break
        return limit / root

    def within(self, bound: float, following: float) -> Passage:
        """The look at ``following`` of those that are within the bound of this one."""
        step = self.fraction - self.before
        sd, limit = math.sqrt(step), min(bound, FARTHEST) * math.sqrt(self.fraction)
        panels = max(math.ceil(limit / math.sqrt(min(step, following - self.fraction)) * PANELS_PER_SD), 1)
        nodes, weights = _legendre()
        places = (limit / panels * (np.arange(panels)[:, None] + nodes)).ravel()
        density = self._density(places, step) if self.before else np.exp(-places * places / (2 * step))
        masses = density * np.tile(weights, panels) * (limit / panels / (sd * ROOT_2_PI))
        return Passage(
            fraction=following,
            before=self.fraction,
            places=np.concatenate([-places[::-1], places]),
            masses=np.concatenate([masses[::-1], masses]),
            panel=limit / panels,
        )

    def _density(self, places: Array, step: float) -> Array:
        """Of S at this look, without its constant; from the panels within reach of where it came from."""
        share = self.before / self.fraction
        reach, panels = REACH * math.sqrt(step * share), len(self.places) // NODES
        count = min(math.ceil(2 * reach / self.panel) + 1, panels)
        first = np.floor((places * share - reach) / self.panel).astype(np.int64) + panels // 2
        window = np.clip(first, 0, panels - count)[:, None] * NODES + np.arange(count * NODES)
        distance = places[:, None] - self.places[window]
        return np.asarray(np.einsum("ij,ij->i", np.exp(distance * distance / (-2 * step)), self.masses[window]))


@lru_cache(maxsize=1)
def _legendre() -> tuple[Array, Array]:
    """Nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return np.asarray((nodes + 1) / 2), np.asarray(weights / 2)
