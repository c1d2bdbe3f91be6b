"""From weights and coverage to ranges of numbers, one an arm, and from a unit's number to its arm."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.errors import InvalidInput

Range = tuple[float, float]  # from, including; to, excluding


def bucket_ranges(weights: Sequence[float], *, coverage: float = 1.0) -> tuple[Range, ...]:
    """The range of each arm, in their order.

    An arm's range begins where the weights before it end, whatever the coverage: more coverage lets units in and moves
    none between arms.

    Args:
        weights: relative, each above 0.
        coverage: share of the units that take part, 0 to 1.

    >>> bucket_ranges([1, 1], coverage=0.4)
    ((0.0, 0.2), (0.5, 0.7))
    """
    if not weights or min(weights) <= 0:
        raise InvalidInput("weights", f"{list(weights)} must be at least one number, each above 0")
    if not 0 <= coverage <= 1:
        raise InvalidInput("coverage", f"{coverage:g} must be 0 to 1")
    total = sum(weights)
    ranges: list[Range] = []
    begin = 0.0
    for weight in weights:
        share = weight / total
        ranges.append((begin, begin + coverage * share))
        begin += share
    return tuple(ranges)


def choose(number: float, ranges: Sequence[Range]) -> int | None:
    """The position of the arm whose range holds the number; None where no range does.

    >>> choose(0.3, [(0.0, 0.2), (0.5, 0.7)])
    """
    for position, (begin, end) in enumerate(ranges):
        if begin <= number < end:
            return position
    return None
