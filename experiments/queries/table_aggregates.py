"""Snapshots of groups in a file that is already aggregated: the last one of each group, or every one."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.queries.query import Query
from experiments.queries.table import cell, lines

SIDES = ("c", "t")  # control first
SUMMARY = tuple(f"{part}_{side}" for part in ("count", "mean", "variance") for side in SIDES)


def snapshots_query(groups: Sequence[str], snapshot: str) -> Query:
    """One row per group: its ids ``g0…``, ``row`` in the file, ``snapshots``, ``ties`` and the texts of the last one.

    Snapshots are cumulative, so the last one holds all the others; adding them would count units again and again.
    A snapshot is a number or a date. ``untimed`` counts rows whose snapshot is neither.
    """
    names = [f"g{i}" for i in range(len(groups))]
    within = f"PARTITION BY {', '.join(names)}" if names else ""
    taken = "COALESCE(TRY_CAST(snapshot AS DOUBLE), EPOCH(TRY_CAST(snapshot AS TIMESTAMP)))"
    return Query(
        sql=f"""WITH {_cells(groups, snapshot)}, rows AS (
  SELECT *, {taken} AS taken FROM cells
), snapshots AS (
  SELECT
    *,
    COUNT(*) OVER ({within}) AS snapshots,
    COUNT(*) FILTER (WHERE taken IS NULL) OVER ({within}) AS untimed,
    RANK() OVER ({within} ORDER BY taken DESC NULLS LAST) AS place
  FROM rows
), last AS (
  SELECT *, COUNT(*) OVER ({within}) AS ties FROM snapshots WHERE place = 1
)
SELECT * EXCLUDE (place) FROM last ORDER BY {", ".join([*names, "row"])}""",  # noqa: S608  (checked and quoted)
        parameters={},
    )


def every_snapshot_query(groups: Sequence[str], snapshot: str) -> Query:
    """One row per row of the file: its ids ``g0…``, ``row`` in the file and its texts."""
    return Query(sql=f"WITH {_cells(groups, snapshot)}\nSELECT * FROM cells ORDER BY row", parameters={})


def _cells(groups: Sequence[str], snapshot: str) -> str:
    ids = [f"{cell(column)} AS g{i}" for i, column in enumerate(groups)]
    texts = [f"{cell(column)} AS {column}" for column in SUMMARY]
    time = cell(snapshot) if snapshot else "'0'"
    return f"""cells AS (
  SELECT
    ROW_NUMBER() OVER () AS row,
    {time} AS snapshot,
    {lines([*ids, *texts])}
  FROM file
)"""  # noqa: S608  (identifiers are checked and quoted)
