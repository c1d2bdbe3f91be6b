"""Files of analysts: tiny ones counted by hand, and the public experiments against independent libraries."""

from __future__ import annotations

import math
from dataclasses import replace

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportions_ztest

from experiments.contracts import Correction, Decision, Finding, Report, Severity
from experiments.tables import AggregateSpec, Expectation, Ratio, TableSpec, analyze_aggregates, analyze_table

PAGES = Expectation(column="page", given="arm", values={"a": "old", "b": "new"})


@pytest.fixture
def table(tmp_path):
    def table(text: str | bytes, **spec):
        path = tmp_path / "t.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return analyze_table(path, TableSpec(**{"arm": "arm", "control": "a"} | spec))

    return table


def numbers(report: Report, metric: int = 0) -> list[tuple[int, float]]:
    """(n, numerator) of each arm."""
    return [(arm.n, arm.numerator) for arm in report.metrics[metric].arms]


def finding(report: Report, check: str) -> Finding:
    return next(one for one in report.findings if one.check == check)


def left_out(report: Report) -> dict[str, int]:
    return {one.code: one.count for one in report.exclusions}


def test_each_row_is_a_unit_and_equal_rows_are_different_units(table):
    report = table("arm,paid\na,1.00\na,1.00\na,4.00\nb,5.00\nb,5.00\n", money=("paid",))
    assert numbers(report) == [(3, 600), (2, 1000)]
    assert report.metrics[0].comparisons[0].effect == 300  # cents
    assert report.metrics[0].arms[0].sd == pytest.approx(math.sqrt(30_000))


# u1 has two rows in a; u2 one in a; u3 two in b; u4 is in both arms; the last row names no unit
EVENTS = "user,arm,bought,paid,n\nu1,a,0,1.10,1\nu1,a,true,2.20,2\nu2,a,0,,4\nu3,b,1,0.05,8\nu3,b,FALSE,0.05,16\n"
EVENTS += "u4,a,1,9,9\nu4,b,1,9,9\nu5,b,0,0,1\n,b,1,1,1\n"


def test_with_a_unit_binary_is_any_and_numbers_are_added_up(table):
    report = table(
        EVENTS,
        unit="user",
        binary=("bought",),
        number=("n",),
        money=("paid",),
        ratios=(Ratio(name="per", numerator="n", denominator="n"),),
    )
    assert numbers(report, 0) == [(2, 1), (2, 1)]
    assert numbers(report, 1) == [(2, 7), (2, 25)]
    assert numbers(report, 2) == [(1, 330), (2, 10)]
    assert report.metrics[3].arms[1].mean == 1
    assert left_out(report) == {"no_unit": 1, "two_arms": 1, "missing:paid": 1}
    assert next(one for one in report.findings if one.check == "two_arms").severity is Severity.FAILURE


def test_a_missing_value_leaves_a_unit_out_of_that_metric_only_and_is_counted_by_arm(table):
    report = table("arm,x,y\na,1,1\na,,1\na,3,\nb,1,1\nb,2,1\n", number=("x", "y"))
    assert numbers(report, 0) == [(2, 4), (2, 3)]
    assert numbers(report, 1) == [(2, 2), (2, 2)]
    assert left_out(report) == {"missing:x": 1, "missing:y": 1}
    assert "(a 1, b 0)" in report.exclusions[0].message.text
    ratio = table(
        "arm,x,y\na,1,1\na,,1\na,3,\nb,1,1\nb,2,1\n", ratios=(Ratio(name="r", numerator="x", denominator="y"),)
    )
    assert [(arm.n, arm.numerator, arm.denominator) for arm in ratio.metrics[0].arms] == [(1, 1, 1), (2, 3, 2)]


# u1 saw the wrong page once and stays; u2 only did; u3 was in b by a wrong row; u4 remains in both
PAGE_ROWS = "user,arm,page,x\nu1,a,old,1\nu1,a,new,1\nu2,a,new,1\nu3,a,old,0\nu3,b,old,1\nu4,a,old,1\nu4,b,new,1\n"
PAGE_ROWS += "u5,b,new,1\nu6,b,,1\n"


def test_rows_that_break_an_expectation_are_left_out_before_units_are_judged(table):
    report = table(PAGE_ROWS, unit="user", binary=("x",), expect=(PAGES,))
    assert numbers(report) == [(2, 1), (1, 1)]
    assert left_out(report) == {"unexpected": 4, "two_arms": 1, "no_row_left": 2}
    texts = [one.message.text for one in report.findings if one.check == "two_arms"]
    assert any(text.startswith("2 units") and "the 1 that still are were left out too" in text for text in texts)


def test_without_a_unit_rows_that_break_an_expectation_are_only_left_out(table):
    report = table(PAGE_ROWS, binary=("x",), expect=(PAGES,))
    assert numbers(report) == [(3, 2), (2, 2)]
    assert left_out(report) == {"unexpected": 4}


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfarm,x\na,1\na,2\nb,3\nb,5\n",
        b'\xef\xbb\xbf"arm";"x"\r\n"a";1\r\na;2\r\nb;3\r\nb;5',
        b"arm\tx\na\t1\na\t2\nb\t3\nb\t5\n",
        b'note,arm,x\n"two\nlines, ""quoted""",a,1\n,a, 2\n"\n\n",b,3.0\n,b,5e0\n',
        b"arm,x\na,1\n\na,2\n\nb,3\nb,5\n",
        b",arm,x\n0,a,1\n1,a,2\n2,b,3\n3,b,5\n",
        "项目,arm,x\n好,a,1\n好,a,2\n坏,b,3\n坏,b,5\n".encode(),
    ],
    ids=["bom", "semicolon", "tab", "quoted", "blank lines", "pandas index", "chinese"],
)
def test_the_usual_kinds_of_csv_just_work(table, text):
    if b"\n\n" in text and b'"' not in text:
        text = text.replace(b"\n\n", b"\n")
    assert numbers(table(text, number=("x",))) == [(2, 3), (2, 8)]


def test_parquet_gives_what_csv_gives(tmp_path, table):
    text = "arm,bought,paid,x\n" + "".join(f"{'ab'[i % 2]},{i % 3 == 0},{i / 10:.2f},{i / 7}\n" for i in range(50))
    csv = table(text, binary=("bought",), money=("paid",), number=("x",))
    with duckdb.connect() as connection:
        connection.execute(f"COPY (FROM read_csv('{tmp_path}/t.csv')) TO '{tmp_path}/t.parquet'")
    spec = TableSpec(arm="arm", control="a", binary=("bought",), money=("paid",), number=("x",))
    parquet = analyze_table(tmp_path / "t.parquet", spec)
    for i in range(3):
        for one, other in zip(numbers(parquet, i), numbers(csv, i), strict=True):
            assert one == pytest.approx(other)


def test_money_is_exact_and_dust_of_binary_fractions_is_rounded_away(table):
    report = table(
        "arm,paid\n" + "a,0.10\n" * 3 + "a,0.30000000000000004\n" + "b,1234567890123.45\nb,0\n", money=("paid",)
    )
    assert numbers(report) == [(4, 60), (2, 123456789012345)]
    assert report.plan.currency == "¤"
    assert numbers(table("arm,paid\na,1\na,2\nb,3\nb,5\n", money=("paid",), currency="JPY")) == [(2, 3), (2, 8)]
    assert numbers(table("arm,paid\na,1\na,2\nb,-3\nb,5\n", money=("paid",), allow_negative=True))[1] == (2, 200)


@pytest.mark.parametrize("unit", ["", "user"])
def test_a_large_mean_costs_no_digits(table, unit):
    rng = np.random.default_rng(5)
    values = rng.normal(1e9, 1, size=(2, 4000))
    rows = [
        f"{i},{arm},{value!r}" for arm, row in zip("ab", values, strict=True) for i, value in enumerate(row.tolist())
    ]
    text = "user,arm,x\n" + "\n".join(
        arm_row if unit == "" else f"{arm_row.split(',')[1]}{arm_row}" for arm_row in rows
    )
    report = table(text, number=("x",), unit=unit)
    for arm, row in zip(report.metrics[0].arms, values, strict=True):
        assert arm.sd == pytest.approx(row.std(ddof=1), rel=1e-7)


def test_a_covariate_is_compared_before_exposure(table):
    text = "arm,x,before\na,1,10\na,2,11\na,3,12\nb,2,10\nb,3,11\nb,5,12\n"
    alike = finding(table(text, number=("x",), covariates=("before",)), "before")
    assert alike.severity is Severity.OK
    assert alike.message.params["count"] == 1
    uneven = "arm,x,before\n" + "".join(f"{arm},{i},{i + 9 * (arm == 'b')}\n" for arm in "ab" for i in range(20))
    assert finding(table(uneven, number=("x",), covariates=("before",)), "before").severity is Severity.WARNING


def test_the_primary_metric_weights_and_direction_reach_the_verdict(table):
    text = "arm,x,y\n" + "".join(f"{arm},{i % 5},{i % 5 + 9 * (arm == 'b')}\n" for arm in "ab" for i in range(50))
    report = table(
        text, number=("x", "y"), primary="y", lower_is_better=("y",), weights={"a": 1, "b": 3}, title="Returns"
    )
    assert report.plan.title == "Returns"
    assert [arm.weight for arm in report.plan.arms] == [1, 3]
    assert report.verdicts[0].decision is Decision.DO_NOT_TRUST
    fair = table(text, number=("x", "y"), primary="y", lower_is_better=("y",))
    assert fair.verdicts[0].decision is Decision.WORSE


def test_a_column_may_have_any_name(table):
    name = 'x"; DROP TABLE file; --'
    report = table(f'arm,"{name.replace(chr(34), chr(34) * 2)}"\na,1\na,2\nb,3\nb,5\n', number=(name,))
    assert numbers(report) == [(2, 3), (2, 8)]


# The public experiments, against scipy and statsmodels on the raw files


HILLSTROM = TableSpec(arm="treatment", control="No E-Mail", binary=("visit",), money=("spend",), currency="USD")


@pytest.mark.real_data
def test_hillstrom_agrees_with_scipy_to_nine_digits(real_data):
    path = real_data / "hillstrom.csv.gz"
    metrics = {"visit": 1, "conversion": 1, "spend": 100}
    spec = replace(HILLSTROM, binary=("visit", "conversion"))
    report = analyze_table(path, spec)
    frame = pd.read_csv(path)
    groups = dict(list(frame.groupby("treatment")))
    for result, (metric, factor) in zip(report.metrics, metrics.items(), strict=True):
        for one in result.comparisons:
            welch = stats.ttest_ind(groups[one.arm][metric], groups["No E-Mail"][metric], equal_var=False)
            assert one.unadjusted_p == pytest.approx(welch.pvalue, rel=1e-9)
            assert one.effect / one.se == pytest.approx(welch.statistic, rel=1e-9)
            low, high = welch.confidence_interval(2 * stats.t.cdf(one.critical, welch.df) - 1)
            assert (one.ci_low, one.ci_high) == pytest.approx((low * factor, high * factor), rel=1e-9)
    totals = [(arm.n, arm.numerator) for arm in report.metrics[2].arms]
    assert totals == [(21_306, 1_390_833), (21_307, 3_031_169), (21_387, 2_303_811)]
    primary = report.metrics[0]
    assert primary.correction is Correction.DUNNETT
    # 2.212 were the variances alike (Dunnett 1955, two-sided, k = 2), 2.237 were the comparisons independent
    assert all(2.212 < one.critical < 2.237 for one in primary.comparisons)


@pytest.mark.real_data
def test_hillstrom_capped_raw_adjusted_and_by_segment(real_data):
    path = real_data / "hillstrom.csv.gz"
    spec = replace(HILLSTROM, caps={"spend": 0.99}, covariates=("history",), segments=("zip_code", "newbie"))
    report = analyze_table(path, spec)
    spend = report.metrics[-1]
    frame = pd.read_csv(path)
    cap = np.quantile(frame.spend[frame.spend > 0], 0.99, method="inverted_cdf")
    assert spend.cap == round(100 * cap)
    groups = {arm: group.clip(upper=cap) for arm, group in frame.groupby("treatment").spend}
    raw, plain = spend.alternatives
    for position, one in enumerate(spend.comparisons):
        welch = stats.ttest_ind(groups[one.arm], groups["No E-Mail"], equal_var=False)
        other = plain.comparisons[position]
        assert other.effect / other.se == pytest.approx(welch.statistic, rel=1e-9)
        assert one.se < raw.comparisons[position].se
    assert [round(one.effect / 100, 4) for one in raw.comparisons] == [0.7698, 0.4244]
    assert finding(report, "before").severity is Severity.OK
    # of the four views, one says that buyers who are not new drive the effect of the women's e-mail
    assert [(one.dimension, one.arm) for one in spend.segments if one.differs] == [("newbie", "Womens E-Mail")]
    for segments in spend.segments:
        assert {one.segment for one in segments.segments} in ({"Rural", "Surburban", "Urban"}, {"0", "1"})
        for one in segments.segments:
            column = segments.dimension
            mask = frame[column].astype(str) == one.segment
            assert one.n == (mask & frame.treatment.isin([segments.arm, "No E-Mail"])).sum()


@pytest.mark.real_data
def test_the_published_z_of_hillstrom_is_the_pooled_test_and_ours_is_welch(real_data):
    path = real_data / "hillstrom.csv.gz"
    report = analyze_table(path, TableSpec(arm="treatment", control="No E-Mail", binary=("visit",)))
    control, mens, _ = report.metrics[0].arms
    pooled, _ = proportions_ztest([mens.numerator, control.numerator], [mens.n, control.n])
    ours = report.metrics[0].comparisons[0]
    assert pooled == pytest.approx(22.49, abs=0.01)
    assert ours.effect / ours.se == pytest.approx(22.62, abs=0.01)


@pytest.mark.real_data
def test_cookie_cats_has_a_doubtful_split_and_its_published_p_values(real_data):
    path = real_data / "cookie_cats.csv.gz"
    spec = TableSpec(
        arm="version",
        control="gate_30",
        unit="userid",
        binary=("retention_1", "retention_7"),
        number=("sum_gamerounds",),
    )
    report = analyze_table(path, spec)
    split = report.findings[0]
    assert (split.check, split.severity) == ("split", Severity.WARNING)
    assert "p = 0.0086" in split.message.text
    frame = pd.read_csv(path)
    groups = dict(list(frame.groupby("version")))
    for result, published in zip(report.metrics, (0.0744, 0.00155, None), strict=True):
        one, metric = result.comparisons[0], result.metric.key
        welch = stats.ttest_ind(groups["gate_40"][metric] * 1.0, groups["gate_30"][metric] * 1.0, equal_var=False)
        assert one.unadjusted_p == pytest.approx(welch.pvalue, rel=1e-9)
        assert published is None or one.unadjusted_p == pytest.approx(published, rel=0.01)


@pytest.mark.real_data
def test_one_player_decides_about_the_rounds_of_cookie_cats_until_they_are_capped(real_data, tmp_path):
    path = real_data / "cookie_cats.csv.gz"
    spec = TableSpec(arm="version", control="gate_30", unit="userid", number=("sum_gamerounds",))
    frame = pd.read_csv(path)
    most = frame.sum_gamerounds.idxmax()
    assert frame.sum_gamerounds[most] == 49_854
    without = tmp_path / "without.csv"
    frame.drop(most).to_csv(without, index=False)
    raw, cut = (analyze_table(one, spec).metrics[0].comparisons[0] for one in (path, without))
    assert raw.effect == pytest.approx(-1.157, abs=5e-4)
    assert cut.effect == pytest.approx(-0.0433, abs=5e-5)
    capped = replace(spec, caps={"sum_gamerounds": 0.999})
    with_cap, cut_with_cap = (analyze_table(one, capped).metrics[0].comparisons[0] for one in (path, without))
    assert with_cap.effect == pytest.approx(cut_with_cap.effect, abs=0.05)
    assert with_cap.se < 0.6 * raw.se
    (alternative,) = analyze_table(path, capped).metrics[0].alternatives
    assert alternative.comparisons[0].effect == pytest.approx(raw.effect)


@pytest.mark.real_data
def test_the_landing_page_test_is_cleaned_as_published(real_data):
    rule = Expectation(column="landing_page", given="group", values={"control": "old_page", "treatment": "new_page"})
    spec = TableSpec(arm="group", control="control", unit="user_id", binary=("converted",), expect=(rule,))
    report = analyze_table(real_data / "ab_data.csv.zip", spec)
    assert numbers(report) == [(145_274, 17_489), (145_310, 17_264)]
    assert left_out(report) == {"unexpected": 3_893}
    moved = next(one for one in report.findings if one.check == "two_arms")
    assert moved.message.params["count"] == 1_895
    one = report.metrics[0].comparisons[0]
    assert one.effect == pytest.approx(-0.001578, abs=5e-7)
    arrays = [np.repeat([1.0, 0.0], [hits, n - hits]) for n, hits in ((145_310, 17_264), (145_274, 17_489))]
    assert one.p_value == pytest.approx(stats.ttest_ind(*arrays, equal_var=False).pvalue, rel=1e-9)


ASOS = AggregateSpec(snapshot="time_since_start")


@pytest.mark.real_data
def test_asos_after_adjustment_for_the_number_of_groups_and_by_peeking(real_data):
    path = real_data / "asos_digital_experiments_dataset.csv.gz"
    report = analyze_aggregates(path, replace(ASOS, family="metric_id", peek=True))
    everything, *metrics = report.families
    assert [one.value for one in metrics] == ["1", "2", "3", "4"]
    assert [one.answered for one in metrics] == [99, 94, 94, 94]
    assert [one.significant for one in metrics] == [26, 27, 25, 27]
    assert [one.discovered for one in metrics] == [17, 19, 16, 16]
    assert [one.ever for one in metrics] == [46, 64, 57, 58]
    assert (everything.significant, everything.ever) == (105, 225)
    p_values = [one.comparison.p_value for one in report.results]
    known = [p for p in p_values if not math.isnan(p)]
    assert everything.discovered == sum(stats.false_discovery_control(known) <= 0.05)
    of_first = [one for one in report.results if one.group[2] == "1"]
    adjusted = stats.false_discovery_control([one.comparison.p_value for one in of_first])
    assert [one.adjusted_p for one in of_first] == pytest.approx(adjusted, rel=1e-9)


@pytest.mark.real_data
def test_asos_has_one_answer_per_group_from_its_last_snapshot(real_data):
    path = real_data / "asos_digital_experiments_dataset.csv.gz"
    report = analyze_aggregates(path, ASOS)
    assert report.group_columns == ("experiment_id", "variant_id", "metric_id")
    by_metric = {metric: [one for one in report.results if one.group[2] == metric] for metric in "1234"}
    answered = {metric: sum(not math.isnan(one.comparison.p_value) for one in by_metric[metric]) for metric in "1234"}
    assert answered == {"1": 99, "2": 94, "3": 94, "4": 94}
    assert {m: sum(one.comparison.significant for one in rows) for m, rows in by_metric.items()} == {
        "1": 26,
        "2": 27,
        "3": 25,
        "4": 27,
    }
    frame = pd.read_csv(path, dtype={"experiment_id": str, "variant_id": str, "metric_id": str})
    last = frame.sort_values("time_since_start").groupby(list(report.group_columns)).tail(1)
    rows = {tuple(row[:3]): row for row in last.itertuples(index=False)}
    for one in report.results:
        row = rows[one.group]
        if math.isnan(one.comparison.p_value):
            assert one.comparison.reasons
            continue
        sides = [(row.mean_t, row.variance_t**0.5, row.count_t), (row.mean_c, row.variance_c**0.5, row.count_c)]
        welch = stats.ttest_ind_from_stats(*sides[0], *sides[1], equal_var=False)
        assert one.comparison.p_value == pytest.approx(welch.pvalue, rel=1e-9)
