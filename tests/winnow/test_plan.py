"""``winnow plan``: the sentences, the picture, the JSON, and what is refused."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from statsmodels.stats.power import NormalIndPower, TTestIndPower

from experiments.contracts import Scale
from experiments.errors import InvalidInput
from winnow.cli import main
from winnow.events.ingest import ingest
from winnow.plan import parse_effect, parse_weights

pytestmark = pytest.mark.django_db(transaction=True)

FIRST = datetime(2026, 4, 1, tzinfo=UTC)
DAYS, DAILY = 28, 60
USERS = DAYS * DAILY


@pytest.fixture(autouse=True)
def lake(settings, tmp_path):
    settings.LAKE = tmp_path / "lake"


@pytest.fixture
def events():
    """60 new users a day: each sees four, clicks one to three times; every fifth joins; every second spends €5 or €15.

    So CTR is 50 %, participation 20 % and revenue €5.
    """
    names = []
    for user in range(USERS):
        at = FIRST + timedelta(days=user // DAILY, hours=user % DAILY / 4)
        names += [(user, at, "Promotion Viewed", {})] * 4
        names += [(user, at, "Promotion Clicked", {})] * (1 + user % 3)
        names += [(user, at, "Promotion Joined", {})] * (user % 5 == 0)
        if user % 2:
            names.append((user, at, "Order Completed", {"value": 500 + 1000 * (user % 4 == 1), "currency": "EUR"}))
    names.append((0, FIRST + timedelta(days=DAYS, microseconds=-1), "Page Viewed", {}))
    ingest(
        {
            "event": name,
            "messageId": f"m{number}",
            "userId": f"u{user}",
            "timestamp": at.isoformat(),
            "properties": properties,
        }
        for number, (user, at, name, properties) in enumerate(names)
    )


def plan(*options: str):
    return CliRunner().invoke(main, ["plan", *options])


def lines(*options: str) -> list[str]:
    done = plan(*options)
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def test_an_effect_has_units_arms_and_a_run_time(events):
    found = lines("participation", "--effect", "20%", "--stopping", "once")
    assert found[0] == "Participation rate (participation): 2026-04-01 00:00 to 2026-04-29 00:00 UTC, lake version 1"
    assert "baseline    20.0%, sd 40.0%, of 1,680 users in 28 days" in found
    assert "traffic     1,680 users in 28 days, 60 new on the first, 60 on the last" in found
    assert "design      2 arms (1:1), power 0.8, alpha 0.05" in found
    (need,) = [line for line in found if line.startswith("To find")]
    # a share's variance moves with it: .2 · .8 in control, .24 · .76 in treatment
    z = NormalIndPower().solve_power(effect_size=1, nobs1=None, alpha=0.05, power=0.8) / 2
    per_arm = z * (0.16 + 0.24 * 0.76) / 0.04**2
    assert need.startswith("To find +20.0% (+4.00 pp): 3,")
    assert int(need.split("(")[2].split()[0].replace(",", "")) == pytest.approx(per_arm, abs=3)
    days = math.ceil(int(need.split(": ")[1].split()[0].replace(",", "")) / DAILY)
    assert 56 <= days <= 57
    weeks = math.ceil(days / 7) * 7
    assert f"Run time: {days} days, {weeks} in whole weeks, by a forecast beyond the days that were measured." in found


def test_money_is_given_and_shown_in_major_units(events):
    found = lines("revenue", "--effect", "0.50", "--absolute", "--stopping", "once")
    assert any(line.startswith("baseline    EUR 5.00, sd EUR 6.13") for line in found)
    (need,) = [line for line in found if line.startswith("To find")]
    var = ((500**2 + 1500**2) / 4 - 500**2) * USERS / (USERS - 1)
    per_arm = math.ceil(TTestIndPower().solve_power(effect_size=50 / var**0.5, alpha=0.05, power=0.8))
    assert need == f"To find +10.0% (EUR +0.500): {2 * per_arm:,} users ({per_arm:,} : {per_arm:,})."


def test_a_campaign_with_a_fixed_end_has_a_smallest_effect(events):
    found = lines("ctr", "--days", "10")
    assert any(line.startswith("In 10 days: 600 users, smallest effect ") for line in found)
    assert not any(line.startswith("To find") for line in found)
    assert found[-1] == "A user does more in more days: --recent-days 10 measures as many as it would run."


def test_with_both_the_power_is_said(events):
    found = lines("ctr", "--days", "10", "--effect", "1%")
    (power,) = [line for line in found if line.startswith("There the power to find +1.00% (+0.500 pp) is ")]
    assert 0 < float(power.split()[-1].strip("%.")) < 80


def test_the_picture_has_a_bar_for_each_length_and_marks_forecasts(events):
    found = lines("ctr")
    rows = found[found.index("days  users  smallest effect") + 1 : -1]
    assert [line.split()[0] for line in rows] == ["7", "14", "21", "28", "42*", "56*"]
    bars = [line.count("█") for line in rows]
    assert bars[0] == 30
    assert bars == sorted(bars, reverse=True)
    assert bars[2] == pytest.approx(30 / 3**0.5, abs=1)
    assert "* a forecast: 28 days of traffic measured" in found[-1]


def test_the_stopping_plan_says_what_it_costs(events):
    assert "That is 1.915 times what one look needs." in lines("ctr", "--effect", "1%", "--stopping", "sequence")
    assert any(line.startswith("That is 1.0") for line in lines("ctr", "--effect", "1%"))
    assert not any("times what" in line for line in lines("ctr", "--effect", "1%", "--stopping", "once"))


def test_a_covariate_and_a_window_are_named(events):
    found = lines("retention", "--covariate-days", "7")
    assert "covariate   the metric over the 7 days before takes away 0.0% of the variance" in found
    assert "response    a user counts 14 days after it came" in found
    assert found[-1].startswith("Nothing can be planned. Of 841 users, all have the same value")


def test_what_does_not_come_within_a_year_is_said(events):
    found = lines("revenue", "--effect", "0.1%")
    assert "So many do not come within 365 days: find a larger effect, or use a covariate." in found


def test_what_no_number_of_units_can_show_is_said(events):
    assert "To find +900% (+180 pp): no number of units is enough." in lines("participation", "--effect", "900%")


def test_the_first_days_of_a_small_split_have_too_few_units(events):
    found = lines("participation", "--weights", "200,1", "--days", "1")
    assert "In 1 day: too few units in an arm." in found
    assert any(line.split()[:2] == ["1", "60"] and line.endswith("too few units in an arm") for line in found)


def test_what_a_sequence_does_not_show_yet_is_said(events):
    found = lines("participation", "--stopping", "sequence", "--days", "3")
    assert "In 3 days: too early: a sequence waits for 100 units, and 20 conversions, an arm." in found


def test_the_json_is_strict_and_has_the_lake_version(events):
    done = plan("ctr", "--effect", "5%", "--arms", "3", "--format", "json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout, parse_constant=lambda name: pytest.fail(name))
    assert (found["lake_version"], found["baseline"]["mean"], len(found["target"]["arms"])) == (1, 0.5, 3)
    assert found["design"]["level"] == pytest.approx(1 - 0.95**0.5)


def test_the_inbox_is_brought_into_the_lake_first_and_the_same_lake_gives_the_same_plan(events):
    assert plan("ctr", "--format", "json").stdout == plan("ctr", "--format", "json").stdout


def test_without_events_the_answer_says_what_to_do():
    done = plan("ctr")
    assert done.exit_code == 1
    assert done.output == (
        "Error: events: there are none to plan with; send some (docs/events.md) or run `winnow demo`\n"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["crt"], "METRIC: 'crt' is not defined; did you mean 'ctr'? there are ctr,"),
        (["ctr", "--effect", "5"], "--effect: “5” must be a percentage other than 0, such as 5%"),
        (["ctr", "--effect", "0%"], "--effect: “0%” must be"),
        (
            ["ctr", "--effect", "5%", "--absolute"],
            "--effect: “5%” must be percentage points other than 0, such as 0.5pp",
        ),
        (["revenue", "--effect", "5%", "--absolute"], "--effect: “5%” must be an amount of EUR other than 0"),
        (["ctr", "--absolute"], "--absolute: needs --effect"),
        (["ctr", "--days", "0"], "--days: 0 must be 1 to 365"),
        (["ctr", "--recent-days", "366"], "--recent-days: 366 must be 1 to 365"),
        (["ctr", "--covariate-days", "366"], "--covariate-days: 366 must be 0 to 365"),
        (["ctr", "--arms", "1"], "--arms: 1 must be 2 to 10"),
        (["ctr", "--weights", "1,x"], "--weights: “1,x” must be numbers"),
        (["ctr", "--weights", "1,1,1", "--arms", "2"], "--weights: “1,1,1” must be one number for each of 2 arms"),
        (["ctr", "--weights", "1,-1"], "--weights: (1.0, -1.0) must be two or more numbers above 0"),
        (["ctr", "--alpha", "0"], "--alpha: 0 must be above 0 and below 1"),
        (["ctr", "--power", "1"], "--power: 1 must be above alpha"),
    ],
)
def test_what_breaks_a_rule_is_named_with_its_option(events, options, said):
    done = plan(*options)
    assert done.exit_code == 1
    assert done.output.startswith(f"Error: {said}")


@pytest.mark.parametrize(
    ("text", "scale", "currency", "value"),
    [
        ("5%", None, "", 0.05),
        ("-2.5 %", None, "", -0.025),
        ("0.5pp", Scale.SHARE, "", 0.005),
        ("1.20", Scale.MONEY, "EUR", 120.0),
        ("120", Scale.MONEY, "JPY", 120.0),
        ("-0.2", Scale.NUMBER, "", -0.2),
        (None, None, "", None),
    ],
)
def test_effects_are_read_as_people_write_them(text, scale, currency, value):
    assert parse_effect(text, scale, currency) == (value if value is None else pytest.approx(value))


@pytest.mark.parametrize("text", ["", "%", "inf%", "nan%", "five%", "0.05"])
def test_other_effects_are_refused(text):
    with pytest.raises(InvalidInput, match="percentage"):
        parse_effect(text, None)


def test_weights_are_equal_unless_given():
    assert parse_weights("") == (1.0, 1.0)
    assert parse_weights("", 4) == (1.0,) * 4
    assert parse_weights("3, 1") == (3.0, 1.0)
