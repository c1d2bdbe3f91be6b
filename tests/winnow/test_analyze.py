"""``winnow analyze``: what it prints, where it writes, and one clear sentence for every bad input."""

from __future__ import annotations

import gzip
import json
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from winnow.analyze import analyze

TABLE = "arm,bought,paid,n,before\n" + "".join(
    f"{arm},{int(i % k == 0)},{i % 5}.{i % 10}0,{i % 7},{i % 3}\n" for arm, k in (("a", 4), ("b", 3)) for i in range(40)
)
BASE = ("--arm", "arm", "--control", "a")


@pytest.fixture
def write(tmp_path):
    def write(content: str | bytes, name: str = "t.csv") -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


def run(*arguments: str) -> Result:
    return CliRunner().invoke(analyze, list(arguments))


def refused(*arguments: str) -> str:
    """The one sentence that a refusal prints."""
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    assert not result.stdout
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


def test_the_report_comes_in_four_forms(write):
    path = write(TABLE)
    metrics = ("--binary", "bought", "--money", "paid", "--number", "n", "--ratio", "rate=paid/n")
    text, markdown, html, plain = (
        run(path, *BASE, *metrics, "--format", form).output for form in ("text", "md", "html", "json")
    )
    for words in (text, markdown, html):
        assert "bought" in words
        assert "rate" in words
    assert text.startswith("t.csv\n")
    assert markdown.startswith("# t.csv\n")
    assert html.startswith("<!doctype html>")
    assert html.count("<svg") == 4
    assert "<script" not in html
    report = json.loads(plain)
    assert [result["metric"]["key"] for result in report["metrics"]] == ["bought", "n", "paid", "rate"]
    assert [arm["n"] for arm in report["metrics"][0]["arms"]] == [40, 40]


def test_every_view_of_a_metric_can_be_asked_for(write):
    regions = ("north", "south", "")
    rows = "".join(
        f"{'ab'[i % 2]},{i % 9}.50,{i % 7},{i % 5},{i % 3},{'' if i % 4 else i % 5 + 1},{regions[i % 3]}\n"
        for i in range(300)
    )
    path = write("arm,paid,n,before,age,rating,region\n" + rows)
    options = ("--money", "paid", "--number", "n", "--score", "rating", "--quantile", "paid=90%")
    views = ("--covariate", "before", "--covariate", "paid=age", "--cap", "paid=95%", "--segment", "region")
    roles = ("--guardrail", "n=2%", "--primary", "paid", "--planned-units", "300")
    report = json.loads(run(path, *BASE, *options, *views, *roles, "--format", "json").output)
    metrics = {result["metric"]["key"]: result for result in report["metrics"]}
    assert list(metrics) == ["n", "paid", "rating: response rate", "rating", "paid: p90"]
    assert metrics["paid"]["metric"]["covariates"] == ["before", "age"]
    assert metrics["n"]["metric"]["covariates"] == ["before"]
    assert metrics["paid"]["cap"] == 850
    assert [one["name"] for one in metrics["paid"]["alternatives"]][:2] == ["raw", "unadjusted"]
    assert {one["segment"] for one in metrics["paid"]["segments"][0]["segments"]} == {"north", "south", "(none)"}
    assert metrics["n"]["guardrails"][0]["margin"] == 0.02
    assert metrics["rating"]["superiorities"]
    assert report["looks"]["fractions"] == [1.0]
    for form in ("text", "md", "html"):
        assert "rating: response rate" in run(path, *BASE, *options, *views, *roles, "--format", form).output


def test_names_from_a_file_are_text_in_html(write):
    hostile = "<script>alert(1)</script>"
    html = run(write(TABLE.replace("\nb,", f"\n{hostile},")), *BASE, "--binary", "bought", "--format", "html").output
    assert hostile not in html
    assert "&lt;script&gt;" in html


def test_output_is_written_at_once_and_nothing_is_left_beside_it(write, tmp_path):
    path = write(TABLE)
    out = tmp_path / "report.html"
    result = run(path, *BASE, "--binary", "bought", "--format", "html", "--output", str(out))
    assert result.exit_code == 0
    assert not result.output
    assert out.read_text().endswith("</html>\n")
    assert {one.name for one in tmp_path.iterdir()} == {"t.csv", "report.html"}
    before = out.read_text()
    refused(path, *BASE, "--binary", "nothing", "--output", str(out))
    assert out.read_text() == before
    assert "cannot be written" in refused(path, *BASE, "--binary", "bought", "--output", str(tmp_path / "no" / "x"))


def test_it_needs_neither_settings_nor_a_home(write, shell, tmp_path):
    write(TABLE)
    command = (sys.executable, "-m", "winnow.cli", "analyze", "t.csv", *BASE, "--binary", "bought", "--format", "html")
    done = shell(*command, DJANGO_SETTINGS_MODULE="nowhere", WINNOW_HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stderr
    assert {one.name for one in tmp_path.iterdir()} == {"t.csv"}


def test_a_mistake_on_the_command_line_is_one_line_in_a_real_terminal(write, shell):
    write(TABLE)
    done = shell(sys.executable, "-m", "winnow.cli", "analyze", "t.csv", *BASE, "--binary", "bougth")
    assert done.returncode == 1
    assert done.stderr == (
        "Error: t.csv has no column “bougth” (binary); did you mean “bought”?"
        " The columns are: arm, bought, paid, n, before\n"
    )


GZIPPED = gzip.compress(TABLE.encode() * 50)
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 4


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        ("", "t.csv", "is empty"),
        ("arm,bought,paid,n\n", "t.csv", "has a header and no rows"),
        ("\n\n", "t.csv", "must name the columns"),
        (PNG, "t.csv", "neither CSV nor Parquet"),
        (b"PAR1" + b"x" * 50 + b"PAR1", "t.parquet", "cannot be read"),
        (GZIPPED[:-20], "t.csv.gz", "damaged or cut off"),
        (GZIPPED[:200] + b"xxxx" + GZIPPED[204:], "t.csv.gz", "damaged or cut off"),
        (b"\x1f\x8bnonsense", "t.csv.gz", "damaged or cut off"),
        (b"PK\x03\x04nonsense", "t.zip", "damaged or cut off"),
        ("x" * 3_000_000, "t.csv", "the header: a line is longer than"),
        ("x" * 1_500_000, "t.csv", "the header: a line is longer than"),
        (TABLE + "a," + "x" * 3_000_000 + ",1,1,1\n", "t.csv", "row 81: the row is longer than 2 MB"),
        (TABLE + "a," + "x" * 100_000_000 + ",1,1,1\n", "t.csv", "near row 81: a line is longer than"),
        (TABLE.encode() + b"\xff\xfe,1,1,1,1\n", "t.csv", "row 81: byte 0xff is not UTF-8"),
        (TABLE.encode("utf-16"), "t.csv", "UTF-16"),
        (TABLE + "a,1\n", "t.csv", "row 81: 2 values where the header names 5 columns"),
        (TABLE + "a,1,1,1,1,1\n", "t.csv", "row 81: 6 values where the header names 5 columns"),
        (TABLE + 'a,"1,1,1,1\n', "t.csv", "a quoted value does not end"),
        (TABLE.replace("before", "Bought", 1), "t.csv", "two columns are named “bought” and “Bought”"),
        (TABLE + ",1,1,1,1\n", "t.csv", "row 81, column arm: the arm is empty"),
        (TABLE.replace("\nb,", "\na,"), "t.csv", "the only arm is “a”"),
        (TABLE + "a,2,1,1,1\n", "t.csv", "row 81, column bought: “2” must be 0 or 1"),
        (TABLE + "a,maybe,1,1,1\n", "t.csv", "“maybe” must be 0 or 1, true or false"),
        (TABLE + "a,1,1,two,1\n", "t.csv", "row 81, column n: “two” must be a finite number"),
        (TABLE + "a,1,1,NaN,1\n", "t.csv", "“NaN” must be a finite number"),
        (TABLE + "a,1,1,inf,1\n", "t.csv", "“inf” must be a finite number"),
        (TABLE + "a,1,1,1e999,1\n", "t.csv", "“1e999” must be a finite number"),
        (TABLE + "a,1,-1.00,1,1\n", "t.csv", "row 81, column paid: “-1.00” is negative; --allow-negative"),
        (TABLE + "a,1,1.001,1,1\n", "t.csv", "“1.001” must be an amount in major units with at most 2 decimals"),
        (TABLE + "a,1,1e15,1,1\n", "t.csv", "15 digits"),
        (TABLE + "a,1,nan,1,1\n", "t.csv", "“nan” must be an amount"),
        ("1,2,3\n4,5,6\n", "t.csv", "no column “arm” (arm); the columns are: 1, 2, 3"),
        ("arm,bought,paid,n\n" + "".join(f"{i},1,1,1\n" for i in range(60)), "t.csv", "more than 50 different values"),
    ],
)
def test_a_file_that_breaks_a_rule_gets_one_sentence(write, content, name, sentence):
    assert sentence in refused(write(content, name), *BASE, "--binary", "bought", "--money", "paid", "--number", "n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "--arm: name the column that holds the arm"),
        (("--arm", "arm", "--control", "a"), "--metrics: name at least one column to compare"),
        (("--arm", "arm", "--binary", "bought"), "--control: name the arm to compare with; the arms are: a, b"),
        (("--arm", "arm", "--control", "c", "--binary", "bought"), "no arm “c”; the arms are: a, b"),
        (("--arm", "ram", "--control", "a", "--binary", "bought"), "no column “ram” (arm); did you mean “arm”?"),
        ((*BASE, "--binary", "bought", "--number", "bought"), "named twice"),
        ((*BASE, "--binary", "arm"), "cannot be the arm and something else"),
        ((*BASE, "--binary", "bought", "--weights", "a=1,c=1"), "there is no arm “c”"),
        ((*BASE, "--binary", "bought", "--weights", "a=1"), "missing: b"),
        ((*BASE, "--binary", "bought", "--weights", "a=1,b=0"), "b=0 must be above 0"),
        ((*BASE, "--binary", "bought", "--weights", "a=1,b=nan"), "b=nan must be above 0"),
        ((*BASE, "--binary", "bought", "--weights", "a"), "must be ARM=WEIGHT"),
        ((*BASE, "--binary", "bought", "--weights", "a=x,b=1"), "must be ARM=WEIGHT"),
        ((*BASE, "--binary", "bought", "--alpha", "0"), "--alpha: 0 must be above 0 and below 1"),
        ((*BASE, "--binary", "bought", "--alpha", "1"), "--alpha: 1 must be above 0 and below 1"),
        ((*BASE, "--binary", "bought", "--alpha", "nan"), "--alpha: nan must be above 0"),
        ((*BASE, "--binary", "bought", "--primary", "boght"), "did you mean “bought”"),
        ((*BASE, "--binary", "bought", "--currency", "EURO"), "not the code of a currency"),
        ((*BASE, "--binary", "bought", "--currency-column", "n"), "no column is read as money"),
        ((*BASE, "--money", "paid", "--currency", "JPY"), "must be a whole amount"),
        ((*BASE, "--ratio", "paid/n"), "must be NAME=NUMERATOR/DENOMINATOR"),
        ((*BASE, "--binary", "bought", "--expect", "n"), "must be COLUMN=GIVEN"),
        ((*BASE, "--binary", "bought", "--expect", "m=arm:a=1"), "no column “m” (expect)"),
        ((*BASE, "--binary", "bought", "--expect", "n=arm:a=99"), "no row of t.csv has arm = “a” and n = “99”"),
        ((*BASE, "--binary", "bought", "--expect", "n=arm:z=1"), "no row of t.csv has arm = “z”"),
        ((*BASE, "--binary", "bought", "--unit", "user"), "no column “user” (unit)"),
        ((*BASE, "--binary", "bought", "--unit", "bought", "--covariate", "before"), "constant within a unit"),
        ((*BASE, "--binary", "bought", "--covariate", "arm"), "cannot be the arm and something else"),
        ((*BASE, "--binary", "bought", "--snapshot", "n"), "go with --moments"),
        ((*BASE, "--binary", "bought", "--peek"), "go with --moments"),
        ((*BASE, "--binary", "bought", "--family", "n"), "go with --moments"),
        ((*BASE, "--binary", "bought", "--covariate", "bought"), "--covariate: “bought” is measured in the experiment"),
        (
            (*BASE, "--money", "paid", "--covariate", "paid=befor"),
            "no column “befor” (covariate); did you mean “before”",
        ),
        ((*BASE, "--money", "paid", "--covariate", "apid=before"), "no column “apid=before” (covariate)"),
        ((*BASE, "--money", "paid", "--cap", "paid"), "--cap: “paid” must be NAME=SHARE"),
        ((*BASE, "--money", "paid", "--cap", "paid=x"), "--cap: “paid=x” must be NAME=SHARE"),
        ((*BASE, "--money", "paid", "--cap", "paid=1"), "--cap: paid=1 must be a quantile above 0 and below 1"),
        ((*BASE, "--money", "paid", "--cap", "paid=.9", "--cap", "paid=.8"), "--cap: “paid” is named twice"),
        ((*BASE, "--binary", "bought", "--cap", "bought=.9"), "no number and no money"),
        ((*BASE, "--binary", "bought", "--segment", "regoin"), "no column “regoin” (segment)"),
        ((*BASE, "--quantile", "n"), "--quantile: “n” must be NAME=SHARE"),
        ((*BASE, "--quantile", "n=0"), "--quantile: n=0 must be above 0 and below 1"),
        ((*BASE, "--score", "rating"), "no column “rating” (score)"),
        ((*BASE, "--number", "n", "--guardrail", "m=1%"), "--guardrail: “m” is not a metric"),
        ((*BASE, "--number", "n", "--guardrail", "n=120%"), "must be above 0 and below 1"),
        ((*BASE, "--number", "n", "--planned-units", "0"), "--planned-units: 0 must be 1 or more"),
        (("--moments", *BASE), "the columns of an aggregated file are fixed"),
        (("--moments", "--cap", "n=.9"), "the columns of an aggregated file are fixed"),
        (("--moments", "--planned-units", "9"), "the columns of an aggregated file are fixed"),
        (("--moments",), "no column “count_c”"),
    ],
)
def test_an_option_that_cannot_be_gets_one_sentence(write, arguments, sentence):
    assert sentence in refused(write(TABLE), *arguments)


def test_a_missing_file_and_a_directory_get_one_sentence(tmp_path):
    assert "does not exist" in refused(str(tmp_path / "none.csv"), *BASE, "--binary", "x")
    assert "is a directory" in refused(str(tmp_path), *BASE, "--binary", "x")


def test_two_currencies_are_an_error_and_one_decides_the_decimals(write):
    rows = "arm,paid,cur\na,100,JPY\na,200,JPY\nb,300,JPY\nb,500,JPY\n"
    options = (*BASE, "--money", "paid", "--currency-column", "cur")
    assert "JPY +250" in run(write(rows), *options).output
    assert "row 5, column cur: the currency is “USD”" in refused(write(rows + "b,1,USD\n"), *options)
    assert "row 1, column cur: the currency is “JPY”" in refused(write(rows), *options, "--currency", "USD")
    assert "row 5, column cur: an amount of money has no currency" in refused(write(rows + "b,1,\n"), *options)
    assert "not the code of a currency" in refused(write("arm,paid,cur\na,1,Yen\nb,1,Yen\n"), *options)
    assert run(write(rows + "b,0,\n"), *options).exit_code == 0


def test_an_archive_holds_one_table_beside_side_files(write, tmp_path):
    def archive(**files: str) -> str:
        with zipfile.ZipFile(tmp_path / "t.zip", "w") as packed:
            for name, text in files.items():
                packed.writestr(name, text)
        return str(tmp_path / "t.zip")

    one = archive(**{"t.csv": TABLE, "__MACOSX/._t.csv": "junk", ".DS_Store": "junk", "sub/": ""})
    assert "t.zip, 80 rows" in run(one, *BASE, "--binary", "bought").output
    two = archive(**{"t.csv": TABLE, "u.csv": TABLE})
    assert "exactly one CSV or Parquet file, it holds: t.csv, u.csv" in refused(two, *BASE, "--binary", "bought")
    assert "it holds: none" in refused(archive(**{".DS_Store": "junk"}), *BASE, "--binary", "bought")


def test_an_arm_with_one_unit_is_a_result_that_says_so(write):
    output = run(write(TABLE + "c,1,1,1,1\n"), *BASE, "--binary", "bought").output
    assert "fewer than two units" in output


def test_moments_have_one_row_per_group(write):
    names = "id,day,count_c,count_t,mean_c,mean_t,variance_c,variance_t\n"
    rows = "x,1,10,10,1,1,1,1\nx,2,100,100,1,2,1,1\ny,1,0,0,,,,\ny,2,50,50,1,2,,1\n"
    path = write(names + rows)
    options = (path, "--moments", "--snapshot", "day")
    results = json.loads(run(*options, "--format", "json").output)["results"]
    assert [one["group"] for one in results] == [{"id": "x"}, {"id": "y"}]
    assert [one["control"]["n"] for one in results] == [100, 50]
    assert results[0]["effect"] == 1
    assert results[0]["se"] == pytest.approx(0.02**0.5)
    assert results[1]["p_value"] is None
    assert results[1]["reasons"] == ["MISSING"]
    for form, start in (("text", "t.csv\n2 groups"), ("md", "# t.csv"), ("html", "<!doctype html>")):
        assert run(*options, "--format", form).output.startswith(start)
    assert "its group has more rows; name the column" in refused(path, "--moments", "--group", "id")
    assert "same day" in refused(write(names + rows + "x,2,1,1,1,1,1,1\n"), "--moments", "--snapshot", "day")
    assert "no number and no date" in refused(write(names + "x,soon,1,1,1,1,1,1\n"), "--moments", "--snapshot", "day")
    assert "whole number" in refused(write(names + "x,1,1.5,1,1,1,1,1\n"), "--moments", "--snapshot", "day")
    assert "must not be negative" in refused(write(names + "x,1,2,2,1,1,-1,1\n"), "--moments", "--snapshot", "day")
    assert "finite number" in refused(write(names + "x,1,2,2,abc,1,1,1\n"), "--moments", "--snapshot", "day")


def test_many_groups_are_judged_together(write):
    names = "id,kind,day,count_c,count_t,mean_c,mean_t,variance_c,variance_t\n"
    effects = {"p": (0.5, 0.0), "q": (0.31, 0.5), "r": (0.0, 0.3), "s": (0.0, 0.01)}  # at the first and last snapshot
    rows = [
        f"{name},{kind},{day},100,100,1,{1 + effect},1,1"
        for (name, pair), kind in zip(effects.items(), "1122", strict=True)
        for day, effect in enumerate(pair)
    ]
    path = write(names + "\n".join(rows))
    options = (path, "--moments", "--snapshot", "day")
    report = json.loads(run(*options, "--family", "kind", "--peek", "--format", "json").output)
    assert [one["value"] for one in report["families"]] == [None, "1", "2"]
    assert [one["significant"] for one in report["families"]] == [2, 1, 1]
    assert [one["discovered"] for one in report["families"]] == [1, 1, 0]
    assert [one["ever"] for one in report["families"]] == [3, 2, 1]
    assert [one["ever_significant"] for one in report["results"]] == [True, True, True, False]
    assert report["results"][2]["adjusted_p"] == pytest.approx(2 * report["results"][2]["p_value"])
    text = run(*options, "--adjust").output
    assert "2 of 4 differ at p ≤ 0.05" in text
    assert "1 of all remain after Benjamini-Hochberg over all groups." in text
    assert "Nothing is adjusted" not in text
    assert "p adjusted" in text
    assert "one snapshot or more" not in text
    peeked = run(*options, "--peek", "--format", "html").output
    assert "3 were significant at one snapshot or more" in peeked
    assert "Nothing is adjusted" in peeked
    assert "Within each kind (before → after): 1: 1 → 1, 2: 1 → 0." in run(*options, "--family", "kind").output
    assert "“kin” tells no groups apart; did you mean “kind”?" in refused(*options, "--family", "kin")
    assert "needs the column that orders the snapshots" in refused(path, "--moments", "--peek")


def test_the_path_of_a_file_is_a_name_and_no_pattern(tmp_path):
    for name in ("a*.csv", "a[1].csv", "a?'.csv"):
        path = Path(tmp_path / name)
        path.write_text(TABLE)
        assert f"{name}, 80 rows" in run(str(path), *BASE, "--binary", "bought").output
