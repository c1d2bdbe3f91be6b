"""The score process of an experiment between symmetric bounds, look by look."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special

Array = npt.NDArray[np.float64]

FARTHEST = 37.0  # standard deviations beyond which a tail is 0 in double precision
FEWEST_NODES, MOST_NODES = 48, 400
NODES_PER_STEP = 3.0  # of a quadrature, for each standard deviation of one step within the bounds
TOLERANCE = 1e-13
ROOT_2_PI = math.sqrt(2 * math.pi)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Passage:
    """S(t) ~ N(drift t, t), t the fraction of the planned units, as long as |S(t_k)| < b_k √t_k at every look so far.

    Several bounds are followed at once, one per row. Gauss-Legendre between the bounds, with more nodes where the step
    to the next look is small beside them.

    Source: P. Armitage, C. K. McPherson, B. C. Rowe (1969), JRSS A 132, 235-244; C. Jennison, B. W. Turnbull (2000),
    Group Sequential Methods with Applications to Clinical Trials, chapter 19.
    """

    places: Array  # S at the nodes, shape (rows, nodes)
    masses: Array  # weight times density there
    fraction: float = 0.0
    drift: float = 0.0

    @classmethod
    def start(cls, *, drift: float = 0.0, rows: int = 1) -> Passage:
        """Before the first look: S = 0."""
        return cls(places=np.zeros((rows, 1)), masses=np.ones((rows, 1)), drift=drift)

    def bound(self, fraction: float, chance: Array) -> Array:
        """The |z| that is crossed for the first time at this look with these chances, without drift."""
        root = math.sqrt(fraction)
        sd = math.sqrt(fraction - self.fraction)
        known = chance > 0
        target = np.log(np.where(known, chance, 1.0))
        farthest = FARTHEST * root
        limit = np.minimum(-special.ndtri(np.where(known, chance, 0.5) / 2) * root, farthest)
        for _ in range(60):  # Newton on the logarithm, from above: it never overshoots
            below = (self.places - limit[:, None]) / sd
            above = (-self.places - limit[:, None]) / sd
            tail = (self.masses * (special.ndtr(below) + special.ndtr(above))).sum(axis=1)
            slope = (self.masses * (np.exp(-below * below / 2) + np.exp(-above * above / 2))).sum(axis=1)
            slope /= sd * ROOT_2_PI
            usable = known & (tail > 0) & (slope > 0)
            ratio = np.where(usable, tail, 1.0) / np.where(usable, slope, 1.0)
            step = np.where(usable, (np.log(np.where(usable, tail, 1.0)) - target) * ratio, 0.0)
            limit = np.clip(limit + step, 0.0, farthest)
            if np.all(np.abs(step) <= TOLERANCE * root):
                break
        return np.where(known, limit, farthest) / root

    def advance(self, fraction: float, bounds: Array) -> tuple[Array, Passage]:
        """The chance that this look's bound is crossed, on either side, and the passage of those that went on."""
        step = fraction - self.fraction
        sd, limit = math.sqrt(step), np.minimum(bounds, FARTHEST) * math.sqrt(fraction)
        means = self.places + self.drift * step
        crossed = self.masses * (
            special.ndtr((means - limit[:, None]) / sd) + special.ndtr((-means - limit[:, None]) / sd)
        )
        places, masses = self._spread(limit, means, sd)
        return crossed.sum(axis=1), replace(self, places=places, masses=masses, fraction=fraction)

    def beyond(self, fraction: float, bound: float) -> tuple[float, float]:
        """Chance and mean of S, times that chance, on the upper side of a bound at the next look; one row."""
        step = fraction - self.fraction
        sd, limit = math.sqrt(step), bound * math.sqrt(fraction)
        means = self.places[0] + self.drift * step
        distance = (means - limit) / sd
        chance = special.ndtr(distance)
        mean = means * chance + sd * np.exp(-distance * distance / 2) / ROOT_2_PI
        return float(self.masses[0] @ chance), float(self.masses[0] @ mean)

    def _spread(self, limit: Array, means: Array, sd: float) -> tuple[Array, Array]:
        # the next step is not known yet; looks are about evenly spaced, so it is taken to be like this one
        wanted = NODES_PER_STEP * float(limit.max()) / sd
        nodes, weights = _legendre(int(min(max(wanted, FEWEST_NODES), MOST_NODES)))
        places = limit[:, None] * nodes
        distance = (places[:, :, None] - means[:, None, :]) / sd
        density = np.einsum("rij,rj->ri", np.exp(-distance * distance / 2), self.masses) / (sd * ROOT_2_PI)
        return places, density * weights * limit[:, None]


@lru_cache(maxsize=512)
def _legendre(count: int) -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return np.asarray(nodes), np.asarray(weights)
