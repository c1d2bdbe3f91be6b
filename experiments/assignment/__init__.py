"""Who sees what: a unit's number from a hash, and the arm whose range it falls into. Pure."""

from experiments.assignment.hashing import fnv1a32, hash_unit
from experiments.assignment.ranges import Range, bucket_ranges, choose

__all__ = ["Range", "bucket_ranges", "choose", "fnv1a32", "hash_unit"]
