"""``winnow plan``: how many units and days an effect needs, and which effect a number of days can show."""

from __future__ import annotations

import json
import math

import click
from babel.numbers import get_currency_precision

from experiments.contracts import Scale, Stopping, Unit
from experiments.errors import InvalidInput
from experiments.services.calibration import DAYS
from experiments.services.planning import MOST_ARMS, find_metric, plan_to_json, recent_currency
from experiments.services.planning import plan as plan_metric
from experiments.stats.planning import Design
from winnow.events.warehouse import LakeWarehouse
from winnow.jobs.evaluation import compact_soon
from winnow.plan_text import plan_to_text


@click.command()
@click.argument("metric")
@click.option("--effect", metavar="5%", help="To find, relative to the control; or with --absolute.")
@click.option("--absolute", is_flag=True, help="The effect is a difference: 0.5pp of a share, 1.20 of money, a number.")
@click.option("--days", type=int, help="Of a campaign whose end is fixed: what can it show?")
@click.option(
    "--stopping", type=click.Choice([one.value for one in Stopping]), default=Stopping.SPENDING.value, show_default=True
)
@click.option("--arms", type=int, help="With the control; 2 by default.")
@click.option("--weights", default="", metavar="1,1,…", help="The planned split, control first; equal by default.")
@click.option("--power", default=0.8, show_default=True, help="The chance to find the effect.")
@click.option("--alpha", default=0.05, show_default=True, help="Two-sided error rate, over all looks and arms.")
@click.option("--covariate-days", type=int, help="Adjust by the metric over so many days before; 0 does not.")
@click.option("--recent-days", type=int, default=DAYS, show_default=True, help="To measure, before the newest event.")
@click.option("--unit", type=click.Choice([one.value for one in Unit]), default=Unit.USER.value, show_default=True)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def plan(
    metric: str,
    effect: str | None,
    absolute: bool,
    days: int | None,
    stopping: str,
    arms: int | None,
    weights: str,
    power: float,
    alpha: float,
    covariate_days: int | None,
    recent_days: int,
    unit: str,
    form: str,
) -> None:
    """Plan an experiment on METRIC with recent units: how many, for how long, to find which effect.

    With an effect: the units and days it needs. With --days: the smallest effect so many days can show. Both take value
    and variance of the metric, and the traffic, from the events in the lake.
    """
    try:
        design = Design(alpha=alpha, power=power, weights=parse_weights(weights, arms))
        definition = find_metric(metric)
        compact_soon()
        warehouse = LakeWarehouse()
        in_money = absolute and definition.scale is Scale.MONEY
        currency = recent_currency(warehouse, recent_days) if in_money else ""
        amount = parse_effect(effect, definition.scale if absolute else None, currency)
        planned = plan_metric(
            warehouse,
            metric,
            effect=amount if absolute else None,
            rel_effect=None if absolute else amount,
            days=days,
            design=design,
            stopping=Stopping(stopping),
            unit=Unit(unit),
            covariate_days=covariate_days,
            recent_days=recent_days,
        )
    except InvalidInput as error:
        raise click.ClickException(_named(error)) from None
    if form == "json":
        found = {"lake_version": warehouse.version} | plan_to_json(planned)
        click.echo(json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        click.echo("\n".join(plan_to_text(planned, warehouse.version)))


def parse_weights(text: str, arms: int | None = None) -> tuple[float, ...]:
    """W,W,… control first, or equal ones for this many arms; two without either.

    >>> parse_weights("2,1,1"), parse_weights("", 3)
    ((2.0, 1.0, 1.0), (1.0, 1.0, 1.0))
    """
    if arms is not None and not 2 <= arms <= MOST_ARMS:
        raise InvalidInput("arms", f"{arms} must be 2 to {MOST_ARMS}")
    if not text:
        return (1.0,) * (arms or 2)
    try:
        weights = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InvalidInput("weights", f"“{text}” must be numbers with commas between, for instance 1,1,1") from None
    if arms is not None and len(weights) != arms:
        raise InvalidInput("weights", f"“{text}” must be one number for each of {arms} arms")
    return weights


def parse_effect(text: str | None, scale: Scale | None, currency: str = "") -> float | None:
    """An effect as people write it: relative without a scale, otherwise a difference on it.

    >>> parse_effect("5%", None), parse_effect("0.5pp", Scale.SHARE), parse_effect("1.20", Scale.MONEY, "EUR")
    (0.05, 0.005, 120.0)
    """
    if text is None:
        if scale is not None:
            raise InvalidInput("absolute", "needs --effect, the difference to find")
        return None
    suffix, rule, factor = _written(scale, currency)
    bare = text.strip().removesuffix(suffix)
    try:
        number = float(bare)
    except ValueError:
        number = math.nan
    if not (text.strip().endswith(suffix) and math.isfinite(number) and number):
        raise InvalidInput("effect", f"“{text}” must be {rule}")
    return number / 100 if suffix else number * factor


def _written(scale: Scale | None, currency: str) -> tuple[str, str, float]:
    """What an effect ends with, the rule, and by what it is multiplied."""
    if scale is None:
        return "%", "a percentage other than 0, such as 5%; a difference needs --absolute", 1.0
    if scale is Scale.SHARE:
        return "pp", "percentage points other than 0, such as 0.5pp", 1.0
    if scale is Scale.MONEY:
        factor = 10.0 ** get_currency_precision(currency) if currency else 1.0
        return "", f"an amount of {currency or 'money'} other than 0, such as 1.20", factor
    return "", "a number other than 0, such as 0.2", 1.0


def _named(error: InvalidInput) -> str:
    """The error with the option that it is about."""
    message = str(error).removeprefix(f"{error.field}: ")
    if error.field == "metric":
        return f"METRIC: {message}"
    if error.field == "events":
        return f"events: {message}"
    option = "effect" if error.field == "rel_effect" else error.field.replace("_", "-")
    return f"--{option}: {message}"
