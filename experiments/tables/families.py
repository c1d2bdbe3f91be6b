"""Many groups judged together: how many differ, how many still do when their number counts, how many ever did."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from experiments.contracts import Comparison
from experiments.stats.multiplicity import benjamini_hochberg


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The groups that share a value of a column (``value``; all groups where it is "").

    Of ``answered`` groups ``significant`` differ by themselves and ``discovered`` after Benjamini and Hochberg's
    procedure over the family; ``ever`` did by themselves at one snapshot or more.
    """

    value: str
    answered: int
    significant: int
    discovered: int | None = None
    ever: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One group: its family, its comparison, and whether it was significant at any snapshot; None if nobody asked."""

    family: str
    comparison: Comparison
    ever: bool | None = None


def families_of(members: Sequence[Member], alpha: float, *, adjusted: bool) -> tuple[Family, ...]:
    """All groups together first, then each family in alphabetical order where there is more than one."""
    values = sorted({member.family for member in members}, key=_natural)
    parts = [("", list(members))]
    if values != [""]:
        parts += [(value, [member for member in members if member.family == value]) for value in values]
    return tuple(_family(value, part, alpha, adjusted=adjusted) for value, part in parts)


def adjusted_p_values(members: Sequence[Member], alpha: float) -> tuple[float, ...]:
    """Each group's p-value, adjusted for the number of groups in its family; nan where it has none."""
    found = [math.nan] * len(members)
    for value in {member.family for member in members}:
        places = [i for i, member in enumerate(members) if member.family == value]
        for i, p in zip(places, _adjusted([members[i] for i in places], alpha), strict=True):
            found[i] = p
    return tuple(found)


def _family(value: str, members: Sequence[Member], alpha: float, *, adjusted: bool) -> Family:
    looked = [member.ever for member in members if member.ever is not None]
    return Family(
        value=value,
        answered=sum(not math.isnan(member.comparison.p_value) for member in members),
        significant=sum(member.comparison.significant for member in members),
        discovered=sum(p <= alpha for p in _adjusted(members, alpha)) if adjusted else None,
        ever=sum(looked) if looked else None,
    )


def _adjusted(members: Sequence[Member], alpha: float) -> Sequence[float]:
    comparisons = [member.comparison for member in members]
    return benjamini_hochberg([one.p_value for one in comparisons], alpha, [one.log_p for one in comparisons]).adjusted


def _natural(text: str) -> tuple[bool, float, str]:
    """Numbers by size and before texts."""
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text


def sentences(families: Sequence[Family], column: str) -> Iterator[str]:
    """What the families say, for the head of a list."""
    everything, *parts = families
    if everything.discovered is not None:
        yield f"{everything.discovered:,} of all remain after Benjamini-Hochberg over all groups."
        if parts:
            counts = ", ".join(f"{one.value}: {one.significant:,} → {one.discovered:,}" for one in parts)
            yield f"Within each {column} (before → after): {counts}."
    if everything.ever is not None:
        counts = f" ({', '.join(f'{one.value}: {one.ever:,}' for one in parts)})" if parts else ""
        yield (
            f"{everything.ever:,} were significant at one snapshot or more{counts}: "
            "whoever stops at the first of them is wrong far more often than the level says."
        )
