"""Mergeable moments: what every statistic reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from experiments.errors import InvalidInput

# Below this share of the summed squares a centred sum of squares is rounding of the sums, not spread of the data.
ROUNDING = 1e-13

Column = Sequence[float] | npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """n, mean vector and centred co-moment matrix of the columns (y, v, x…) of one arm.

    ``mean`` has one entry per column; ``comoment[i][j]`` is Σ (a_i − mean_i)(a_j − mean_j), so a variance is
    comoment / (n − 1). Ten rows and a hundred million take the same space. With n = 0 the means are 0 and mean nothing.

    Source: T. F. Chan, G. H. Golub, R. J. LeVeque (1983), Algorithms for computing the sample variance,
    The American Statistician 37.

    >>> Moments.from_arrays([1.0, 2.0, 6.0])
    Moments(n=3, mean=(3.0,), comoment=((14.0,),))
    """

    n: int
    mean: tuple[float, ...]
    comoment: tuple[tuple[float, ...], ...]

    @classmethod
    def empty(cls, width: int) -> Moments:
        """The moments of no units with ``width`` columns: merging them changes nothing.

        >>> Moments.empty(1)
        Moments(n=0, mean=(0.0,), comoment=((0.0,),))
        """
        return cls(n=0, mean=(0.0,) * width, comoment=((0.0,) * width,) * width)

    @classmethod
    def from_arrays(cls, *columns: Column) -> Moments:
        """The moments of one or more columns of equal length, one entry per unit.

        Centred on the first unit and then on the mean, so a constant column has a variance of exactly 0.

        >>> Moments.from_arrays([0.0, 1.0], [1.0, 3.0]).comoment
        ((0.5, 1.0), (1.0, 2.0))
        """
        arrays = [np.asarray(column, dtype=np.float64) for column in columns]
        if not arrays or any(array.ndim != 1 or array.size != arrays[0].size for array in arrays):
            raise InvalidInput("columns", "must be one or more columns of equal length")
        data = np.stack(arrays)
        if not data.shape[1]:
            return cls.empty(len(data))
        with np.errstate(all="ignore"):  # a value that is not finite stays visible as nan, without a warning
            deviations = data - data[:, :1]
            shift = deviations.mean(axis=1)
            deviations -= shift[:, None]
            mean = data[:, 0] + shift
            comoment = deviations @ deviations.T
        return cls(
            n=data.shape[1],
            mean=tuple(mean.tolist()),
            comoment=tuple(tuple(row) for row in comoment.tolist()),
        )

    @classmethod
    def from_shifted_sums(
        cls, *, n: int, shift: Sequence[float], sums: Sequence[float], products: Sequence[Sequence[float]]
    ) -> Moments:
        """The moments from sums of (a_i − shift_i) and of (a_i − shift_i)(a_j − shift_j), as a database computes them.

        Any shift near the mean will do, for instance the mean of a small sample; 0 loses digits when the mean is large
        beside the standard deviation.

        >>> Moments.from_shifted_sums(n=3, shift=[2.0], sums=[3.0], products=[[17.0]])
        Moments(n=3, mean=(3.0,), comoment=((14.0,),))
        """
        if n == 0:
            return cls.empty(len(shift))
        rows = [
            [product - sum_i * sum_j / n for sum_j, product in zip(sums, row, strict=True)]
            for sum_i, row in zip(sums, products, strict=True)
        ]
        constant = [rows[i][i] <= ROUNDING * products[i][i] for i in range(len(rows))]
        return cls(
            n=n,
            mean=tuple(start + total / n for start, total in zip(shift, sums, strict=True)),
            comoment=tuple(
                tuple(0.0 if constant[i] or constant[j] else value for j, value in enumerate(row))
                for i, row in enumerate(rows)
            ),
        )

    @classmethod
    def from_integer_sums(cls, *, n: int, sums: Sequence[int], products: Sequence[Sequence[int]]) -> Moments:
        """The moments from Σ a_i and Σ a_i·a_j of integers (counts, minor units): exact, so no shift is needed.

        >>> Moments.from_integer_sums(n=3, sums=[9], products=[[41]])
        Moments(n=3, mean=(3.0,), comoment=((14.0,),))
        """
        if n == 0:
            return cls.empty(len(sums))
        return cls(
            n=n,
            mean=tuple(total / n for total in sums),
            comoment=tuple(
                tuple((n * product - sum_i * sum_j) / n for sum_j, product in zip(sums, row, strict=True))
                for sum_i, row in zip(sums, products, strict=True)
            ),
        )

    @classmethod
    def from_summary(cls, *, n: int, mean: float, variance: float) -> Moments:
        """The moments of one column from a published summary; ``variance`` has ddof = 1.

        >>> Moments.from_summary(n=3, mean=3.0, variance=7.0)
        Moments(n=3, mean=(3.0,), comoment=((14.0,),))
        """
        if n == 0:
            return cls.empty(1)
        return cls(n=n, mean=(mean,), comoment=((variance * (n - 1) if n > 1 else 0.0,),))

    @property
    def var(self) -> tuple[float, ...]:
        """The sample variance (ddof = 1) of each column, nan for fewer than two units.

        >>> Moments.from_arrays([1.0, 2.0, 6.0]).var
        (7.0,)
        """
        if self.n < 2:
            return (float("nan"),) * len(self.mean)
        return tuple(row[i] / (self.n - 1) for i, row in enumerate(self.comoment))

    def merge(self, other: Moments) -> Moments:
        """The moments of both groups together, as if they had been read in one pass.

        With δ = mean_b − mean_a: mean = mean_a + δ n_b / n; C = C_a + C_b + δδᵀ n_a n_b / n.

        >>> Moments.from_arrays([1.0, 2.0]).merge(Moments.from_arrays([6.0]))
        Moments(n=3, mean=(3.0,), comoment=((14.0,),))
        """
        if len(self.mean) != len(other.mean):
            raise InvalidInput("moments", f"{len(self.mean)} and {len(other.mean)} columns cannot be merged")
        if not self.n or not other.n:
            return self if self.n else other
        n = self.n + other.n
        delta = [b - a for a, b in zip(self.mean, other.mean, strict=True)]
        weight = self.n * other.n / n
        return Moments(
            n=n,
            mean=tuple(a + d * other.n / n for a, d in zip(self.mean, delta, strict=True)),
            comoment=tuple(
                tuple(
                    self.comoment[i][j] + other.comoment[i][j] + delta[i] * delta[j] * weight for j in range(len(delta))
                )
                for i in range(len(delta))
            ),
        )

    def subtract(self, part: Moments) -> Moments:
        """What is left when a part (a day, a segment, a slice) is taken out again: the inverse of merging.

        With n = n_all − n_part and δ = mean_part − mean_rest: C = C_all − C_part − δδᵀ n_part n / n_all. Loses digits
        where the part holds nearly everything.

        Raises:
            InvalidInput: the part has more units, or other columns.

        >>> whole, day = Moments.from_arrays([1.0, 2.0, 6.0]), Moments.from_arrays([6.0])
        >>> whole.subtract(day) == Moments.from_arrays([1.0, 2.0])
        True
        """
        if len(self.mean) != len(part.mean) or part.n > self.n:
            raise InvalidInput("moments", f"{part.n} units of {len(part.mean)} columns are no part of {self.n} units")
        n = self.n - part.n
        if not n or not part.n:
            return Moments.empty(len(self.mean)) if not n else self
        mean = [(self.n * a - part.n * p) / n for a, p in zip(self.mean, part.mean, strict=True)]
        delta = [p - m for p, m in zip(part.mean, mean, strict=True)]
        weight = part.n * n / self.n
        rest = [
            [self.comoment[i][j] - part.comoment[i][j] - delta[i] * delta[j] * weight for j in range(len(delta))]
            for i in range(len(delta))
        ]
        constant = [n == 1 or rest[i][i] <= ROUNDING * self.comoment[i][i] for i in range(len(delta))]
        return Moments(
            n=n,
            mean=tuple(mean),
            comoment=tuple(
                tuple(0.0 if constant[i] or constant[j] else value for j, value in enumerate(row))
                for i, row in enumerate(rest)
            ),
        )

    def take(self, columns: Sequence[int]) -> Moments:
        """The moments of some of the columns, in this order.

        >>> Moments.from_arrays([0.0, 1.0], [1.0, 3.0]).take([1])
        Moments(n=2, mean=(2.0,), comoment=((2.0,),))
        """
        return Moments(
            n=self.n,
            mean=tuple(self.mean[i] for i in columns),
            comoment=tuple(tuple(self.comoment[i][j] for j in columns) for i in columns),
        )


def merge_all(parts: Iterable[Moments]) -> Moments:
    """The moments of all parts together (segments, days, slices of users); at least one part.

    >>> merge_all(Moments.from_arrays([value]) for value in (1.0, 2.0, 6.0))
    Moments(n=3, mean=(3.0,), comoment=((14.0,),))
    """
    return reduce(Moments.merge, parts)
