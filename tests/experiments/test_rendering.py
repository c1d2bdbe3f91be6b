import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from experiments import figures
from experiments.contracts import (
    Exclusion,
    Kind,
    Message,
    Plan,
    PlannedArm,
    PlannedMetric,
    Report,
    Role,
    Scale,
    Source,
    Unit,
)
from experiments.rendering import freeze, report_to_frame, report_to_json, thaw, to_markdown, to_text
from experiments.reports import Evidence, build_report
from experiments.stats.moments import Moments

PLAN = Plan(
    title="Spend | save [b]50[/b]",
    unit=Unit.USER,
    unit_note="by device",
    arms=(
        PlannedArm(key="control", name="Everybody", strategy="popular@1"),
        PlannedArm(key="b", name="可能参加的用户"),
    ),
    metrics=(
        PlannedMetric(key="joined", name="Participation", kind=Kind.PROPORTION, scale=Scale.SHARE),
        PlannedMetric(key="revenue", name="Revenue", kind=Kind.MEAN, scale=Scale.MONEY, role=Role.PRIMARY),
        PlannedMetric(key="rare", name="Rare", kind=Kind.MEAN),
        PlannedMetric(key="never", name="Never", kind=Kind.RATIO),
    ),
    currency="CNY",
)
EVIDENCE = Evidence(
    source=Source(
        name="lake",
        rows=40_000,
        lake_version=7,
        code_version="abc123",
        computed_at=datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC),
        first_event=datetime(2026, 1, 1, tzinfo=UTC),
        last_event=datetime(2026, 2, 1, tzinfo=UTC),
    ),
    units={"control": 10_000, "b": 10_040},
    moments={
        "joined": {
            "control": Moments.from_integer_sums(n=10_000, sums=[1_200], products=[[1_200]]),
            "b": Moments.from_integer_sums(n=10_040, sums=[1_900], products=[[1_900]]),
        },
        "revenue": {
            "control": Moments.from_summary(n=10_000, mean=12_345.0, variance=4e8),
            "b": Moments.from_summary(n=10_040, mean=13_005.0, variance=4e8),
        },
        "rare": {
            "control": Moments.from_summary(n=10_000, mean=0.0001, variance=0.01),
            "b": Moments.from_summary(n=10_040, mean=0.0002, variance=0.01),
        },
    },
    exclusions=(
        Exclusion(
            code="NO_ARM", count=1_500, what="rows", message=Message(template="%(n)d have no arm.", params={"n": 1500})
        ),
    ),
    units_in_two_arms=12,
)


@pytest.fixture
def report() -> Report:
    return build_report(PLAN, EVIDENCE)


def simulated(report: Report) -> Report:
    return replace(report, plan=replace(PLAN, simulated=True, truth={"revenue": 0.05}))


def test_freezing_and_thawing_loses_nothing(report: Report) -> None:
    frozen = json.loads(json.dumps(freeze(report), allow_nan=False))
    thawed = thaw(frozen)
    assert freeze(thawed) == frozen
    assert thawed.plan == report.plan
    assert thawed.source == report.source
    assert thawed.findings == report.findings
    assert thawed.metrics[0].comparisons == report.metrics[0].comparisons
    rare, never = thawed.metrics[2].comparisons[0], thawed.metrics[3].comparisons[0]
    assert rare.rel_ci_low == -math.inf
    assert math.isnan(never.p_value)
    assert never.reasons == report.metrics[3].comparisons[0].reasons
    assert repr(thawed.metrics) == repr(report.metrics)


def test_strict_json_has_null_and_a_reason_where_there_is_no_answer(report: Report) -> None:
    data = json.loads(json.dumps(report_to_json(report), allow_nan=False))
    never = data["metrics"][3]["comparisons"][0]
    assert (never["p_value"], never["reasons"], never["significant"]) == (None, ["NO_UNITS"], False)
    assert data["metrics"][2]["comparisons"][0]["rel_ci_high"] is None
    assert data["source"]["computed_at"] == "2026-02-03T04:05:06.000789+00:00"
    assert data["plan"]["metrics"][0]["kind"] == "proportion"
    assert data["verdicts"][0]["message"]["text"].startswith("可能参加的用户 is better than Everybody on Revenue")


def test_the_frame_has_one_row_per_metric_and_treatment(report: Report) -> None:
    frame = report_to_frame(report)
    assert frame[["metric", "arm", "control"]].values.tolist() == [
        [key, "b", "control"] for key in ("joined", "revenue", "rare", "never")
    ]
    assert frame["effect"][1] == 660
    assert frame["significant"].tolist() == [True, True, False, False]
    assert frame["reasons"].tolist() == ["", "", "UNBOUNDED", "NO_UNITS"]


@pytest.mark.parametrize("render", [to_text, to_markdown])
def test_a_report_says_everything_that_a_reader_must_know(report: Report, render) -> None:
    words = " ".join(render(report).split())
    for expected in (
        "user (by device)",
        "Everybody (popular@1), 可能参加的用户",
        "lake, 40,000 rows",
        "2026-01-01 00:00 to 2026-02-01 00:00",
        "lake 7, code abc123, computed 2026-02-03 04:05",
        "12 units (0.06%) were seen in more than one arm",
        "1,500 rows",
        "1500 have no arm.",
        "10,040",
        "+6.9 pp",
        "[+5.8, +8.1]",
        "CNY 123.5",
        "CNY +6.6",
        "[+1.1, +12.1]",
        "+5.3%",
        "[+0.8, +10.1]",
        "0.0195",
        "[-∞, +∞]",
        "control cannot be told from 0",
        "no units",
    ):
        assert expected in words, expected


def test_text_fits_its_width_and_keeps_its_columns_aligned(report: Report) -> None:
    lines = to_text(report).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0] == "Spend | save [b]50[/b]"
    assert not any("\x1b" in line for line in lines)
    tables = [line for line in lines if "10,000" in line and "Everybody" in line]
    assert len({line.index("10,000") for line in tables}) == 1


def test_text_puts_trust_before_the_verdict_and_the_verdict_before_the_numbers(report: Report) -> None:
    text = to_text(report)
    assert text.index("Trust") < text.index("Left out") < text.index("Verdict") < text.index("Metric ")
    assert "SHIP" in text


def test_what_users_write_does_not_break_the_document(report: Report) -> None:
    hostile = replace(report, plan=replace(PLAN, title="a | b <script> [x](javascript:y)\n# c"))
    assert to_markdown(hostile).splitlines()[0] == r"# a \| b \<script\> [x]\(javascript:y) \# c"


def test_every_row_of_the_document_has_seven_cells(report: Report) -> None:
    rows = [line for line in to_markdown(report).splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 4 * 2
    assert {line.count(" | ") for line in rows if ":--" not in line} == {6}


@pytest.mark.parametrize("render", [to_text, to_markdown])
def test_simulated_data_is_labelled_and_shows_the_truth(report: Report, render) -> None:
    assert "SIMULATED: Spend" in render(simulated(report))
    assert "true +5.00%" in render(simulated(report))
    assert "SIMULATED" not in render(report)


@pytest.mark.parametrize(
    ("spread", "expected"),
    [(0.02, "12.3%"), (0.002, "12.35%"), (0.0002, "12.346%"), (0.3, "12%"), (0.0, "12.35%"), (math.nan, "12.35%")],
)
def test_a_share_has_the_digits_that_its_interval_supports(spread: float, expected: str) -> None:
    assert figures.value(0.123456, Scale.SHARE, spread=spread) == expected


@pytest.mark.parametrize(
    ("currency", "expected"), [("CNY", "CNY 1,234.56"), ("JPY", "JPY 123,456"), ("KWD", "KWD 123.456"), ("", "123,456")]
)
def test_money_is_written_in_major_units(currency: str, expected: str) -> None:
    assert figures.value(123_456, Scale.MONEY, currency) == expected


@pytest.mark.parametrize(
    ("p", "log_p", "expected"),
    [
        (0.04999, math.log(0.04999), "0.0500"),
        (1.0, 0.0, "1.0000"),
        (9.9e-5, math.log(9.9e-5), "9.9e-05"),
        (3e-20, math.log(3e-20), "<1e-19"),
        (0.0, -1803.67, "<1e-783"),
        (math.nan, math.nan, "–"),
    ],
)
def test_p_values_are_written_whatever_their_size(p: float, log_p: float, expected: str) -> None:
    assert figures.p_value(p, log_p) == expected


def test_what_is_absent_or_rounds_to_nothing_has_no_sign() -> None:
    assert figures.difference(math.nan, Scale.MONEY, "CNY") == "–"
    assert figures.difference(-0.000001, Scale.SHARE) == "+0.00 pp"
    assert figures.relative(-math.inf) == "-∞"
