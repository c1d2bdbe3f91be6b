"""A generated event log, and what its units come to by pandas: nothing here is shared with the queries."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from experiments.contracts import Kind, MetricDefinition, Term
from experiments.queries.scope import Scope
from tests.experiments.queries.events_table import COLUMNS, Row, row

NAMES = ("Promotion Viewed", "Promotion Clicked", "Order Completed", "Order Refunded", "Survey Answered")
DEVICES = ({}, {"device": None}, {"device": "phone"}, {"device": "desk"}, {"device": "desk", "new": True})
FIRST_DAY, LAST_DAY = -12, 32


def generated_rows(seed: int, users: int = 60) -> list[Row]:
    """Users who act before, at and after exposures on a grid of six hours, so that every boundary is met exactly."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for number in range(users):
        user = f"u{number}"
        own = "control" if rng.random() < 0.5 else "treatment"
        for _ in range(rng.integers(0, 4)):
            arm = own if rng.random() < 0.9 else "treatment"
            properties = json.dumps(DEVICES[rng.integers(len(DEVICES))])
            rows.append(row(user, "Experiment Viewed", _hour(rng, -2, 20), arm=arm, properties=properties))
        rows += [_event(rng, user) for _ in range(rng.integers(0, 25))]
    return rows


def _event(rng: np.random.Generator, user: str) -> Row:
    name = NAMES[rng.integers(len(NAMES))]
    value = int(rng.integers(1, 500)) if name.startswith(("Order", "Survey")) else None
    currency = ("CNY" if rng.random() < 0.9 else "USD") if name.startswith("Order") else None
    return row(user, name, _hour(rng, FIRST_DAY, LAST_DAY), value=value, currency=currency)


def _hour(rng: np.random.Generator, first_day: int, last_day: int) -> float:
    return float(6 * rng.integers(4 * first_day, 4 * last_day))


def units_by_pandas(
    rows: list[Row], scope: Scope, metric: MetricDefinition, *, cap: float | None = None
) -> pd.DataFrame:
    """One row per exposed unit: ``arm`` (None for two), ``device``, ``ripe``, ``seen_two_weeks`` and lists of numbers.

    ``values`` are numerator and denominator of the metric, the first at most ``cap``, then its covariates; ``raw`` are
    those without cap and covariates; ``change`` is the second week's numerator less the first's.
    """
    log = pd.DataFrame(rows, columns=list(COLUMNS))
    log = log[log["timestamp"] < scope.end] if scope.end else log
    viewed = log[(log["event"] == "Experiment Viewed") & (log["timestamp"] >= scope.start)]
    units = viewed.groupby("user_id").agg(first_at=("timestamp", "min"), arm=("arm", "min"), arms=("arm", "nunique"))
    units["arm"] = units["arm"].where(units["arms"] == 1, None)
    viewed = viewed.join(units["first_at"], on="user_id")
    first = viewed[viewed["timestamp"] == viewed["first_at"]]
    units["device"] = first["properties"].map(_device).groupby(first["user_id"]).min()

    log = log.join(units["first_at"], on="user_id", how="inner")
    days = (log["timestamp"] - log["first_at"]) / timedelta(days=1)
    columns = partial(_columns, metric=metric, scope=scope, users=units.index)
    until = metric.window_days if metric.window_days is not None else np.inf
    raw = columns(log[(days >= (metric.after_days or 0)) & (days < until)])
    before = columns(log[(days < 0) & (days >= -(metric.covariate_days or 0))]) if metric.covariate_days else []
    capped = raw[0] if cap is None else np.minimum(raw[0], cap)
    weeks = [columns(log[(days >= 7 * week) & (days < 7 * week + 7)])[0] for week in (0, 1)]
    seen = ((scope.seen_until or scope.end) - units["first_at"]) / timedelta(days=1)
    units["ripe"] = seen >= (metric.window_days if metric.window_days is not None else metric.after_days or 0)
    units["seen_two_weeks"] = seen >= 14
    units["values"] = np.stack([capped, *raw[1:], *before], axis=1).tolist()
    units["raw"] = np.stack(raw, axis=1).tolist()
    units["change"] = weeks[1] - weeks[0]
    return units


def _device(properties: str) -> str:
    return json.loads(properties).get("device") or ""


def _columns(
    events: pd.DataFrame, *, metric: MetricDefinition, scope: Scope, users: pd.Index
) -> list[npt.NDArray[np.float64]]:
    numerator = _total(events, metric.numerator, scope, users)
    if metric.kind is Kind.PROPORTION:
        return [(numerator > 0).astype(float)]
    return [numerator, _total(events, metric.denominator, scope, users)] if metric.kind is Kind.RATIO else [numerator]


def _total(events: pd.DataFrame, terms: tuple[Term, ...], scope: Scope, users: pd.Index) -> npt.NDArray[np.float64]:
    total = np.zeros(len(users))
    for term in terms:
        named = events[events["event"] == term.event]
        if term.value:
            named = named[named["currency"].isna() | (named["currency"] == scope.currency)]
        by_user = named["value"].astype(float).groupby(named["user_id"])
        total += term.sign * (by_user.sum() if term.value else by_user.size()).reindex(users, fill_value=0).to_numpy()
    return total
