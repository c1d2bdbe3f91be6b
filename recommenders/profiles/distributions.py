"""How the figures and segments of all users are distributed: a few numbers each, kept with a version."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from recommenders.profiles.figures import SEGMENTS, USER_FIGURES

BINS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One figure over the users who have it: how many there are, three values, and how many are in each bin.

    The bins are equally wide from ``low`` to ``high``, the 99th percentile; what lies above is in the last one.
    """

    figure: str
    users: int
    low: float
    median: float
    high: float
    bins: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How many users are in each segment of a kind, most first."""

    segment: str
    users: tuple[tuple[str, int], ...]


def distribution_of(connection: duckdb.DuckDBPyConnection, figure: str) -> Distribution | None:
    """The distribution of one figure of ``user_profiles``; None where no user has it. The name is one of ours."""
    found = connection.execute(
        f"SELECT COUNT({figure}), MIN({figure}), MEDIAN({figure}), QUANTILE_CONT({figure}, 0.99) FROM user_profiles"  # noqa: S608
    ).fetchone()
    if found is None or not found[0]:
        return None
    users, low, median, high = int(found[0]), float(found[1]), float(found[2]), float(found[3])
    width = (high - low) / BINS
    place = "0" if width <= 0 else f"LEAST(FLOOR(({figure} - $low) / $width), $last)"
    counted = connection.execute(
        f"SELECT CAST({place} AS INTEGER) AS bin, COUNT(*) FROM user_profiles WHERE {figure} IS NOT NULL GROUP BY bin",  # noqa: S608
        {"low": low, "width": width, "last": BINS - 1} if width > 0 else {},
    ).fetchall()
    by_bin = dict(counted)
    bins = tuple(int(by_bin.get(place, 0)) for place in range(BINS if width > 0 else 1))
    return Distribution(figure=figure, users=users, low=low, median=median, high=high, bins=bins)


def distributions(connection: duckdb.DuckDBPyConnection) -> tuple[Distribution, ...]:
    """The distribution of every figure that any user has."""
    found = (distribution_of(connection, figure.key) for figure in USER_FIGURES)
    return tuple(one for one in found if one is not None)


def shares(connection: duckdb.DuckDBPyConnection) -> tuple[Shares, ...]:
    """How many users are in every segment."""
    return tuple(
        Shares(
            segment=segment.key,
            users=tuple(
                connection.execute(
                    f"SELECT segment_{segment.key} AS name, COUNT(*) AS n FROM user_profiles"  # noqa: S608
                    " GROUP BY name ORDER BY n DESC, name"
                ).fetchall()
            ),
        )
        for segment in SEGMENTS
    )
