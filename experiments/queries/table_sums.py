"""The sums of one metric in one arm as they come back from a database, and the moments behind them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from experiments.stats.moments import Moments

Number = int | float

EXACT = 2**53  # every whole number below has a double of its own
FLAT = 1e-12  # a variance that is a smaller share of the mean square is rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Σ (a_i − shift_i) and Σ (a_i − shift_i)(a_j − shift_j) over ``n`` units, and Σ (a_0 − shift_0)³.

    ``total`` is Σ a_0 where it is known exactly.
    """

    n: int
    shift: tuple[Number, ...]
    sums: tuple[Number, ...]
    products: tuple[tuple[Number, ...], ...]
    cubes: float = math.nan
    total: int | None = None

    @property
    def exact(self) -> bool:
        """Whether every sum is a whole number that was added up without rounding."""
        numbers = (*self.sums, *(product for row in self.products for product in row))
        return not any(self.shift) and all(isinstance(one, int) or _is_exact(one) for one in numbers)

    def moments(self) -> Moments:
        """The moments of the columns; exact where the sums are."""
        if self.exact:
            return Moments.from_integer_sums(
                n=self.n,
                sums=[int(one) for one in self.sums],
                products=[[int(one) for one in row] for row in self.products],
            )
        return Moments.from_shifted_sums(n=self.n, shift=self.shift, sums=self.sums, products=self.products)


def _is_exact(number: float) -> bool:
    return number.is_integer() and abs(number) < EXACT


def skewness(parts: Iterable[Sums]) -> float:
    """The skewness m₃ / m₂^1.5 of the first column, units of all arms together; nan without spread.

    The arms must share one shift.

    >>> one = Sums(n=3, shift=(0.0,), sums=(1.0,), products=((1.0,),), cubes=1.0)  # 0, 0, 1
    >>> round(skewness([one]), 6)
    0.707107
    """
    arms = list(parts)
    n = sum(one.n for one in arms)
    if not n:
        return math.nan
    first, second = sum(one.sums[0] for one in arms) / n, sum(one.products[0][0] for one in arms) / n
    third = sum(one.cubes for one in arms) / n
    var = second - first * first
    if not (math.isfinite(var) and var > FLAT * second):
        return math.nan
    return float((third - 3 * first * second + 2 * first**3) / var**1.5)
