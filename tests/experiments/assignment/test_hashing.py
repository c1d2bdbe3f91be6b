"""GrowthBook's hash, version 2. The vectors were made with its Python SDK 4.0.0 by the script below, and are frozen.

    from growthbook.core import chooseVariation, gbhash, getBucketRanges
    gbhash(seed, value, 2)
    chooseVariation(gbhash("exp", f"user-{i}", 2), getBucketRanges(len(weights), coverage, weights))

``FNV`` are the published cases of its JavaScript SDK for the first round (modulo 1000).
"""

from __future__ import annotations

import doctest

import pytest
from scipy.stats import chisquare

from experiments.assignment import bucket_ranges, choose, fnv1a32, hash_unit, hashing, ranges
from experiments.errors import InvalidInput

FNV = {"a": 220, "b": 77, "ab": 946, "def": 652, "8952klfjas09ujkasdf": 549, "123": 11, '___)((*":&': 563}
VECTORS = [
    ("", "a", 0.0216),
    ("", "b", 0.9054),
    ("", "ab", 0.6912),
    ("b", "a", 0.665),
    ("seed", "u-1", 0.1968),
    ("spring-sale", "ann", 0.6943),
    ("spring-sale", "用户42", 0.9436),
    ("活动", "🛒-7", 0.1035),  # outside the basic plane: two UTF-16 code units
    ("exp", "é", 0.976),
    ("", "", 0.2305),
]
# arms of user-0 … user-39 of the experiment "exp"; x is none
ARMS = [
    ((1, 1), 1.0, "0000001000010001110111001111110110101111"),
    ((1, 1), 0.5, "xx00xxx0xx0x00x1xx0x11xx1xxxx10xx0x0xxx1"),
    ((1, 2, 7), 1.0, "1200222021021112220222122222221221212222"),
    ((1, 2, 7), 0.5, "x2x022x02xxxxxx2xx0x22x22xxxx21xx1xxxxx2"),
    ((3, 3, 3, 1), 1.0, "0100112010030001220221012232210230302321"),
    ((3, 3, 3, 1), 0.5, "x10011x01x03xxxxxx0x2xx12xxxxx0xx0xxx3xx"),
]


@pytest.mark.parametrize(("text", "expected"), FNV.items())
def test_the_first_round_is_the_published_one(text, expected):
    assert fnv1a32(text) % 1000 == expected


@pytest.mark.parametrize(("seed", "unit_id", "expected"), VECTORS)
def test_a_unit_has_the_number_that_the_sdk_gives_it(seed, unit_id, expected):
    assert hash_unit(seed, unit_id) == expected


def test_half_of_a_surrogate_pair_has_a_number_too():
    assert 0 <= hash_unit("exp", "\ud83d") < 1


@pytest.mark.parametrize(("weights", "coverage", "expected"), ARMS)
def test_units_get_the_arms_that_the_sdk_gives_them(weights, coverage, expected):
    bounds = bucket_ranges(weights, coverage=coverage)
    found = (choose(hash_unit("exp", f"user-{number}"), bounds) for number in range(40))
    assert "".join("x" if arm is None else str(arm) for arm in found) == expected


def test_more_coverage_lets_units_in_and_moves_none():
    some, all_of_them = bucket_ranges([1, 2, 3], coverage=0.3), bucket_ranges([1, 2, 3])
    for number in range(2_000):
        place = hash_unit("exp", f"user-{number}")
        assert choose(place, some) in (None, choose(place, all_of_them))


def test_every_number_has_an_arm_at_full_coverage():
    for weights in ([1] * 3, [1] * 7, [3, 3, 3, 1], [1, 1_000_000]):
        bounds = bucket_ranges(weights)
        assert None not in {choose(step / 10_000, bounds) for step in range(10_000)}


def test_arms_get_their_shares():
    bounds = bucket_ranges([1, 2, 7])
    counts = [0, 0, 0]
    for number in range(20_000):
        arm = choose(hash_unit("shares", f"u{number}"), bounds)
        assert arm is not None
        counts[arm] += 1
    assert chisquare(counts, [2_000, 4_000, 14_000]).pvalue > 1e-4


@pytest.mark.parametrize(
    ("weights", "coverage", "field"), [([], 1, "weights"), ([1, 0], 1, "weights"), ([1], 1.5, "coverage")]
)
def test_what_is_no_split_is_refused(weights, coverage, field):
    with pytest.raises(InvalidInput) as error:
        bucket_ranges(weights, coverage=coverage)
    assert error.value.field == field


@pytest.mark.parametrize("module", [hashing, ranges])
def test_the_examples_are_true(module):
    assert doctest.testmod(module).failed == 0
