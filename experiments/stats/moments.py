"""Mergeable moments: what every statistic reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """n, mean vector and centred co-moment matrix of the columns (y, v, x…) of one arm.

    ``mean`` has one entry per column; ``comoment[i][j]`` is Σ (a_i − mean_i)(a_j − mean_j), so a variance is
    comoment / (n − 1).
    """

    n: int
    mean: tuple[float, ...]
    comoment: tuple[tuple[float, ...], ...]

    @classmethod
    def from_arrays(cls, *columns: Sequence[float] | npt.NDArray[np.float64]) -> Moments: ...
    @classmethod
    def from_shifted_sums(cls, *, n: int, shift: Sequence[float], sums: Sequence[float], products: Sequence[Sequence[float]]) -> Moments: ...
    @classmethod
    def from_summary(cls, *, n: int, mean: float, variance: float) -> Moments: ...
    def merge(self, other: Moments) -> Moments: ...
