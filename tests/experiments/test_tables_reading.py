"""Parquet files of typed columns: one scan where the types can be believed, and the same answers in any case."""

from __future__ import annotations

import math
from dataclasses import replace

import duckdb
import numpy as np
import pytest
from scipy import stats

from experiments.contracts import Report
from experiments.errors import InvalidTable
from experiments.rendering import report_to_json
from experiments.reports import build_report
from experiments.tables import Ratio, TableSpec, analyze_table
from experiments.tables.engine import Engine

CLICKS = Ratio(name="ctr", numerator="clicks", denominator="views")
SCAN = '"arm" AS a'  # stands in the query that believes the types, and in no other


@pytest.fixture
def asked(monkeypatch):
    """The text of every query."""
    texts: list[str] = []
    rows = Engine.rows

    def listening(self, query):
        texts.append(query.sql)
        return rows(self, query)

    monkeypatch.setattr(Engine, "rows", listening)
    return texts


@pytest.fixture
def parquet(tmp_path):
    """A Parquet file of what a query selects, analysed."""

    def parquet(select: str, **spec) -> Report:
        with duckdb.connect() as connection:
            connection.execute(f"COPY ({select}) TO '{tmp_path}/t.parquet' (FORMAT parquet)")
        return analyze_table(tmp_path / "t.parquet", TableSpec(**{"arm": "arm", "control": "a"} | spec))

    return parquet


def rows(columns: str, n: int = 40) -> str:
    return f"SELECT CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b' END AS arm, {columns} FROM range({n}) AS t(i)"


def numbers(report: Report, metric: int = 0) -> list[tuple[int, float]]:
    return [(arm.n, arm.numerator) for arm in report.metrics[metric].arms]


WIDE = """
  i AS user, (hash(i) % 3)::{integer} AS clicks, (1 + hash(i, 1) % 7)::{integer} AS views,
  (hash(3 * i) % 2)::{integer} AS bought, round((hash(5 * i) % 9000) / 100, 2)::{money} AS paid,
  ((hash(7 * i) % 1000) / 77)::DOUBLE AS x, ((hash(11 * i) % 500) / 3)::DOUBLE AS before,
  (20 + hash(13 * i) % 50)::{integer} AS age, ['north', 'south', ' ', NULL][(1 + hash(17 * i) % 4)::INTEGER] AS region
"""
EVERYTHING = TableSpec(
    arm="arm",
    control="a",
    binary=("bought",),
    money=("paid",),
    number=("x",),
    ratios=(CLICKS,),
    quantiles=(("x", 0.9),),
    covariates=("before",),
    own_covariates={"x": ("age",)},
    caps={"paid": 0.9, "x": 0.95},
    segments=("region",),
    guardrails={"x": 0.05},
)


def assert_alike(one: object, other: object, path: str = "") -> None:
    """The same structure and texts, and numbers to nine digits."""
    if isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            assert_alike(one[key], other[key], f"{path}/{key}")
    elif isinstance(one, list) and isinstance(other, list):
        assert len(one) == len(other), path
        for i, pair in enumerate(zip(one, other, strict=True)):
            assert_alike(*pair, f"{path}/{i}")
    elif isinstance(one, float) and isinstance(other, float):
        assert one == pytest.approx(other, rel=1e-9, abs=1e-12), path
    else:
        assert one == other, path


@pytest.mark.parametrize("money", ["DOUBLE", "DECIMAL(9, 2)", "DECIMAL(18, 3)", "FLOAT", "VARCHAR"])
@pytest.mark.parametrize("integer", ["INTEGER", "BIGINT", "UTINYINT", "DOUBLE", "DECIMAL(6, 0)"])
def test_every_type_gives_what_text_gives_with_and_without_a_unit(tmp_path, asked, integer, money):
    select = rows(WIDE.format(integer=integer, money=money), 400)
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({select}) TO '{tmp_path}/t.parquet' (FORMAT parquet)")
        connection.execute(f"COPY ({select}) TO '{tmp_path}/t.csv' (FORMAT csv)")
    spec = replace(EVERYTHING, title="One")
    reports = [
        report_to_json(analyze_table(tmp_path / name, replace(spec, unit=unit)))
        for name in ("t.parquet", "t.csv")
        for unit in ("", "user")
    ]
    assert any(SCAN in text for text in asked) == (money not in ("FLOAT", "VARCHAR"))
    for report in reports:
        report["source"] = report["plan"]["unit_note"] = None
    for other in reports[1:]:
        assert_alike(reports[0], other)


def test_a_file_whose_types_can_be_believed_is_read_once(parquet, asked):
    columns = "i % 3 AS clicks, 1 + i % 4 AS views, i % 5 = 0 AS bought, i / 10 AS paid, i % 7 / 2 AS before"
    report = parquet(
        rows(columns, 4000),
        binary=("bought",),
        money=("paid",),
        ratios=(CLICKS,),
        own_covariates={"paid": ("before",)},
    )
    assert len(asked) == 1
    assert numbers(report, 1) == [(2000, 39_980_000), (2000, 40_000_000)]


def test_units_of_one_row_each_are_scanned_too_and_others_are_not(parquet, asked):
    alone = parquet(rows("i AS user, i % 5 AS x"), number=("x",), unit="user")
    assert SCAN in asked[-1]
    assert alone.plan.unit_note == "user"
    for other in (
        "i // 2 AS user",
        "NULLIF(i, 7) AS user",
        "'u' || (i // 2) || ['', ' '][1 + i % 2] AS user",
    ):
        asked.clear()
        report = parquet(
            f"SELECT CASE WHEN i % 4 < 2 THEN 'a' ELSE 'b' END AS arm, {other}, i % 5 AS x FROM range(40) AS t(i)",
            number=("x",),
            unit="user",
        )
        assert SCAN not in "".join(asked)
        assert sum(arm.numerator for arm in report.metrics[0].arms) == (80 if "NULLIF" not in other else 78)


DOUBTS = {
    "a missing denominator": ("i AS clicks, CASE WHEN i <> 6 THEN 2 END AS views", {"ratios": (CLICKS,)}),
    "a large mean": ("1e9 + i AS x", {"number": ("x",)}),
    "a constant": ("0.1::DOUBLE AS x", {"number": ("x",)}),
    "squares too large for the type": ("4000000000 + i AS x", {"number": ("x",)}),
    "large amounts in doubles": ("(1e9 + i * 1234567.89)::DOUBLE AS x", {"money": ("x",)}),
    "a missing covariate": ("i AS x, NULLIF(i, 6)::DOUBLE AS before", {"number": ("x",), "covariates": ("before",)}),
}


@pytest.mark.parametrize(("columns", "spec"), DOUBTS.values(), ids=DOUBTS.keys())
def test_where_the_scan_was_wrong_the_file_is_read_again(parquet, asked, columns, spec):
    report = parquet(rows(columns), **spec)
    assert sum(SCAN in text for text in asked) >= 1
    assert SCAN not in asked[-1]
    assert all(math.isfinite(arm.mean) for arm in report.metrics[0].arms)


def test_whole_numbers_are_added_up_in_a_wider_type_before_the_file_is_read_again(parquet, asked):
    report = parquet(rows("(100 + i % 3)::TINYINT AS x"), number=("x",))
    assert len(asked) == 2
    assert all(SCAN in text for text in asked)
    assert sum(total for _, total in numbers(report)) == 40 * 100 + 39


@pytest.mark.parametrize(
    ("columns", "spec", "sentence"),
    [
        ("CASE WHEN i = 6 THEN 2 ELSE 1 END AS x", {"binary": ("x",)}, "row 7, column x: “2” must be 0 or 1"),
        ("CASE WHEN i = 6 THEN 0.5 ELSE 1 END::DOUBLE AS x", {"binary": ("x",)}, "row 7, column x: “0.5” must be 0 or"),
        ("CASE WHEN i = 6 THEN -1 ELSE 1 END AS x", {"money": ("x",)}, "row 7, column x: “-1” is negative"),
        ("CASE WHEN i = 6 THEN 1.001 ELSE 1 END::DOUBLE AS x", {"money": ("x",)}, "“1.001” must be an amount"),
        ("CASE WHEN i = 6 THEN 1.001 ELSE 1 END::DECIMAL(9,3) AS x", {"money": ("x",)}, "“1.001” must be an amount"),
        ("CASE WHEN i = 6 THEN 1e15 ELSE 1 END::BIGINT AS x", {"money": ("x",)}, "15 digits"),
        ("CASE WHEN i = 6 THEN 'nan'::DOUBLE ELSE 1 END AS x", {"money": ("x",)}, "“nan” must be an amount"),
        ("CASE WHEN i = 6 THEN 'nan'::DOUBLE ELSE 1 END AS x", {"number": ("x",)}, "“nan” must be a finite number"),
        ("CASE WHEN i = 6 THEN '-inf'::DOUBLE ELSE 1 END AS x", {"number": ("x",)}, "“-inf” must be a finite"),
        ("i % 2 = 0 AS x", {"number": ("x",)}, "row 1, column x: “true” must be a finite number"),
        ("DATE '2026-01-01' AS x", {"number": ("x",)}, "“2026-01-01” must be a finite number"),
    ],
)
@pytest.mark.parametrize("unit", ["", "user"])
def test_a_cell_that_breaks_its_rule_is_named_as_in_a_csv_file(parquet, columns, spec, sentence, unit):
    with pytest.raises(InvalidTable) as error:
        parquet(rows(f"i AS user, {columns}"), unit=unit, **spec)
    assert sentence in str(error.value)


def test_amounts_in_decimals_of_the_currencys_own_scale_need_no_proof(parquet, asked):
    report = parquet(rows("(i / 4)::DECIMAL(12, 2) AS x"), money=("x",))
    assert "AS e0" not in asked[-1]
    assert [total for _, total in numbers(report)] == [9500, 10_000]
    parquet(rows("(i / 4)::DECIMAL(12, 3) AS x"), money=("x",))
    assert "AS e0" in asked[-1]


def test_amounts_in_doubles_are_exact(parquet):
    amounts = [0.1, 0.2, 0.30000000000000004, 3.3000000000000003, 1234567.89, 8_765_432_109.87, 0.07, 19.99]
    cases = " ".join(f"WHEN {i} THEN {amount!r}" for i, amount in enumerate(amounts))
    report = parquet(rows(f"CASE i {cases} ELSE 0 END::DOUBLE AS x", 100), money=("x",))
    assert [total for _, total in numbers(report)] == [
        sum(round(100 * amount) for amount in amounts[::2]),
        sum(round(100 * amount) for amount in amounts[1::2]),
    ]


@pytest.mark.parametrize("kind", ["DOUBLE", "BIGINT"])
@pytest.mark.parametrize("unit", ["", "user"])
def test_a_large_mean_costs_no_digits(parquet, unit, kind):
    report = parquet(rows(f"i AS user, (1e9 + i % 7)::{kind} AS x", 20_000), number=("x",), unit=unit)
    for arm, start in zip(report.metrics[0].arms, (0, 1), strict=True):
        values = np.arange(start, 20_000, 2) % 7
        assert arm.sd == pytest.approx(values.std(ddof=1), rel=1e-9)


def test_arms_that_differ_in_blanks_only_are_one_arm(parquet, asked):
    select = "SELECT ['a', ' a', 'b', 'b ', 'b'][1 + i % 5] AS arm, i AS x FROM range(50) AS t(i)"
    report = parquet(select, number=("x",))
    assert numbers(report) == [(20, 460), (30, 765)]
    assert len(asked) == 1


@pytest.mark.parametrize("arm", ["i % 2", "i % 2 = 1", "CASE WHEN i % 2 = 0 THEN 0.5 ELSE 1.5 END::DOUBLE"])
def test_arms_may_be_of_any_type(parquet, arm):
    control = {"i % 2": "0", "i % 2 = 1": "false"}.get(arm, "0.5")
    report = parquet(f"SELECT {arm} AS arm, i AS x FROM range(10) AS t(i)", control=control, number=("x",))
    assert numbers(report) == [(5, 20), (5, 25)]


@pytest.mark.parametrize("values", ["exp(3 * sin(i))", "(i * i % 97)::BIGINT", "round(exp(3 * sin(i)), 2)"])
@pytest.mark.parametrize("unit", ["", "user"])
def test_the_skewness_is_that_of_all_units_together(parquet, monkeypatch, values, unit):
    seen = {}

    def listening(plan, evidence):
        seen.update(evidence.skew)
        return build_report(plan, evidence)

    monkeypatch.setattr("experiments.tables.analysis.build_report", listening)
    parquet(rows(f"i AS user, {values} AS x", 500), number=("x",), unit=unit)
    with duckdb.connect() as connection:
        array = connection.execute(f"SELECT {values} AS x FROM range(500) AS t(i)").fetchnumpy()["x"]
    assert seen["x"] == pytest.approx(stats.skew(array.astype(float)), rel=1e-9)
