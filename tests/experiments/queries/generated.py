"""A generated event log, and what its units come to by pandas: nothing here is shared with the queries."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
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


def units_by_pandas(rows: list[Row], scope: Scope, metric: MetricDefinition, *, cap: float | None = None) -> pd.DataFrame:
    """One row per exposed unit: ``arm`` (None for two), ``device``, ``first_at``, ``ripe`` and lists of numbers.

    ``values`` are numerator and denominator of the metric, the first at most ``cap``, then its covariates; ``raw`` are
    those without cap and covariates; ``change`` is the second week's numerator less the first's.
    """
    log = pd.DataFrame(rows, columns=list(COLUMNS))
    log = log[log["timestamp"] < scope.end] if scope.end else log
    seen_until = scope.seen_until or scope.end
    viewed = log[(log["event"] == "Experiment Viewed") & (log["experiment"] == scope.experiment)]
    viewed = viewed[viewed["timestamp"] >= scope.start]
    units = []
    for user, shown in viewed.groupby("user_id"):
        first_at = shown["timestamp"].min()
        own = log[log["user_id"] == user]
        days = (own["timestamp"] - first_at) / timedelta(days=1)
        after, until = metric.after_days or 0, metric.window_days
        raw = _columns(own[(days >= after) & ((days < until) if until is not None else True)], scope, metric)
        before = own[(days < 0) & (days >= -(metric.covariate_days or 0))]
        values = [raw[0] if cap is None else min(raw[0], cap), *raw[1:]]
        weeks = [_columns(own[(days >= 7 * week) & (days < 7 * week + 7)], scope, metric)[0] for week in (0, 1)]
        needed = until if until is not None else metric.after_days
        units.append(
            {
                "arm": shown["arm"].iloc[0] if shown["arm"].nunique() == 1 else None,
                "device": min(_device(text) for text in shown.loc[shown["timestamp"] == first_at, "properties"]),
                "first_at": first_at,
                "ripe": needed is None or (seen_until - first_at) >= timedelta(days=needed),
                "seen_two_weeks": (seen_until - first_at) >= timedelta(days=14),
                "values": [*values, *(_columns(before, scope, metric) if metric.covariate_days else [])],
                "raw": raw,
                "change": weeks[1] - weeks[0],
            }
        )
    return pd.DataFrame(units)


def _device(properties: str) -> str:
    return json.loads(properties).get("device") or ""


def _columns(events: pd.DataFrame, scope: Scope, metric: MetricDefinition) -> list[int]:
    numerator = _total(events, scope, metric.numerator)
    if metric.kind is Kind.PROPORTION:
        return [int(numerator > 0)]
    return [numerator, _total(events, scope, metric.denominator)] if metric.kind is Kind.RATIO else [numerator]


def _total(events: pd.DataFrame, scope: Scope, terms: tuple[Term, ...]) -> int:
    total = 0
    for term in terms:
        named = events[events["event"] == term.event]
        home = named[named["currency"].isna() | (named["currency"] == scope.currency)]
        total += term.sign * int(home["value"].fillna(0).sum() if term.value else len(named))
    return total
