"""The number of a unit in an experiment: GrowthBook's hash, version 2, so that its SDKs and we agree."""

from __future__ import annotations

OFFSET, PRIME, MASK = 0x811C9DC5, 0x01000193, 0xFFFFFFFF
STEPS = 10_000


def fnv1a32(text: str) -> int:
    """FNV-1a with 32 bits over the UTF-16 code units of a text, as JavaScript sees it.

    >>> fnv1a32("a")
    3826002220
    """
    value = OFFSET
    units = text.encode() if text.isascii() else memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H")
    for unit in units:
        value = ((value ^ unit) * PRIME) & MASK
    return value


def hash_unit(seed: str, unit_id: str) -> float:
    """Where a unit stands in an experiment: 0, .0001, … .9999.

    n = fnv1a32(str(fnv1a32(seed + unit_id))) mod 10000 / 10000. The second round is what makes two experiments with
    similar seeds independent.

    Source: GrowthBook, SDK build guide, "Hashing", version 2.

    >>> hash_unit("", "a")
    0.0216
    """
    return fnv1a32(str(fnv1a32(seed + unit_id))) % STEPS / STEPS
