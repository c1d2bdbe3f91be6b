"""Every code of the domains has words, and sentences are translated with what they quote."""

from __future__ import annotations

import pytest
from django.utils.translation import override

from experiments.contracts import Action, Decision, Direction, Message, Reason, Role, Severity, Stopping, Unit
from experiments.health.checks import CHECKS
from experiments.verdict.judgement import NO_ANSWER, UNTRUSTED
from winnow.translations import compile_catalogues
from winnow.web import words


@pytest.fixture(scope="module", autouse=True)
def _catalogues():
    compile_catalogues()


@pytest.mark.parametrize(
    ("codes", "known"),
    [
        (Action, words.ACTIONS),
        (Decision, words.DECISIONS),
        (Direction, words.DIRECTIONS),
        (Reason, words.REASONS),
        (Role, words.ROLES),
        (Severity, words.SEVERITIES),
        (Stopping, words.STOPPINGS),
        (Unit, words.UNITS),
        ([key for key, _ in CHECKS], words.CHECKS),
    ],
)
def test_every_code_has_words(codes, known):
    assert set(known) == set(codes)


def test_checks_are_called_by_their_names():
    message = Message(template=UNTRUSTED, params={"arm": "B", "count": 2, "checks": "split, two_arms"})
    assert "(split between the arms, units in two arms)" in words.sentence(message)
    with override("zh-hans"):
        assert "two_arms" not in words.sentence(message)


def test_reasons_and_metrics_are_translated_and_names_that_people_gave_are_not():
    params = {"arm": "Conversion", "control": "A", "metric": "Conversion", "reasons": "NO_UNITS, MISSING"}
    with override("zh-hans"):
        text = words.sentence(Message(template=NO_ANSWER, params=params))
    assert "转化率" in text
    assert "Conversion" in text
    assert "NO_UNITS" not in text


def test_percentage_points_are_translated():
    assert words.points("+0.33 pp") == "+0.33 pp"
    with override("zh-hans"):
        assert words.points("+0.33 pp") == "+0.33 个百分点"


def test_a_quoted_sentence_is_translated_too():
    message = Message(template="%(reason)s", params={"reason": "Lost: 3."})
    assert words.sentence(message, {"Lost: 3.": "丢失：3。"}) == "丢失：3。"
