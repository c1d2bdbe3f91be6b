"""An offline report as JSON and back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from recommenders.errors import InvalidData
from recommenders.offline.evaluation import evaluate
from recommenders.offline.report import report_from_json, to_json
from recommenders.testing import tastes

REPORT = evaluate(["random", "user-knn"], tastes(users=60), k=5, seed=1)


def test_a_report_survives_json_with_its_failures_and_absent_numbers():
    failed = replace(REPORT.strategies[0], failure="no memory", figures=(), config={"parts": ("a", "b")})
    report = replace(REPORT, strategies=(failed, *REPORT.strategies[1:]), notes=("one",))
    plain = json.loads(json.dumps(to_json(report), allow_nan=False))
    back = report_from_json(plain)
    assert to_json(back) == plain
    assert back.strategies[1].figures[0] == report.strategies[1].figures[0]
    assert back.strategy("user-knn").figure("rmse").value > 0
    assert repr(back.differences) == repr(report.differences)  # nan is not equal to itself
    assert (back.notes, back.references, back.strategies[0].failure) == (("one",), report.references, "no memory")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "format: 2 must be 1"),
        ({"strategies": None}, "report: "),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_something_else_is_refused(change, words):
    with pytest.raises(InvalidData, match=words):
        report_from_json(to_json(REPORT) | change)


def test_a_missing_field_is_named():
    plain = to_json(REPORT)
    del plain["seed"]
    with pytest.raises(InvalidData, match="seed"):
        report_from_json(plain)
