"""The simulated campaign does what its known truth says."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import islice

import pytest

from experiments.metrics.builtin import BUILTIN_METRICS
from experiments.stats.comparison import compare
from experiments.stats.moments import Moments
from winnow.demo import simulation


@pytest.fixture(scope="module")
def events():
    return list(simulation.events())


def test_the_same_seed_gives_the_same_events(events):
    assert list(islice(simulation.events(), 500)) == events[:500]


def test_every_message_has_an_id_of_its_own(events):
    assert len({event["messageId"] for event in events}) == len(events)


def test_everything_happens_inside_the_dates_and_after_the_exposure(events):
    first: dict[str, datetime] = {}
    for event in events:
        moment = datetime.fromisoformat(event["timestamp"])
        if "arm" in event["properties"]:
            assert simulation.START <= moment < simulation.STOP
            assert moment >= first.setdefault(event["userId"], moment)
        else:
            assert event["userId"] not in first
            assert moment >= simulation.START - timedelta(days=simulation.DAYS_BEFORE)


def test_nothing_is_refunded_that_was_not_bought(events):
    counts = Counter((event["userId"], event["event"]) for event in events)
    for user, name in counts:
        if name == "Order Refunded":
            assert counts[user, name] <= counts[user, "Order Completed"]


@pytest.mark.parametrize(
    "metric", [metric for metric in BUILTIN_METRICS if metric.key in simulation.TRUTH], ids=lambda m: m.key
)
def test_the_true_effect_lies_in_the_interval_at_three_standard_errors(events, metric):
    sums: dict[str, dict[str, list[int]]] = {arm: defaultdict(lambda: [0, 0]) for arm in simulation.ARMS}
    for event in events:
        if "arm" not in event["properties"]:
            continue
        of_user = sums[event["properties"]["arm"]][event["userId"]]
        for position, terms in enumerate((metric.numerator, metric.denominator)):
            for term in terms:
                if term.event == event["event"]:
                    of_user[position] += term.sign * (event["properties"]["value"] if term.value else 1)
    moments = []
    for arm in simulation.ARMS:
        columns = list(zip(*sums[arm].values(), strict=True))
        if metric.kind == "proportion":
            columns[0] = [float(y > 0) for y in columns[0]]
        moments.append(Moments.from_arrays(*columns[: 2 if metric.denominator else 1]))
    result = compare(*moments, kind=metric.kind, alpha=0.0027, control_name="control", arm="treatment")
    assert result.rel_ci_low < simulation.TRUTH[metric.key] < result.rel_ci_high
