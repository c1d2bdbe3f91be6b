"""``winnow analyze``: a file in, a report out. No server, no settings, nothing stored."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Collection, Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypeVar

import click

from experiments.errors import InvalidInput, InvalidTable
from experiments.rendering import report_to_json, to_markdown, to_text
from experiments.tables import (
    AggregateReport,
    AggregateSpec,
    Expectation,
    Ratio,
    TableSpec,
    analyze_aggregates,
    analyze_table,
)
from experiments.tables.listing import listing_to_json, listing_to_markdown, listing_to_text
from winnow.analyze_page import listing_to_html, to_html

Share = TypeVar("Share", float, float | None)

FORMATS = ("text", "json", "md", "html")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--arm", default="", metavar="COLUMN", help="Holds the arm of each row.")
@click.option("--control", default="", metavar="ARM", help="The arm that the others are compared with.")
@click.option("--unit", default="", metavar="COLUMN", help="What was randomised. Without it each row is one unit.")
@click.option("--binary", multiple=True, metavar="COLUMN", help="0/1 or true/false; a unit counts if any row does.")
@click.option("--number", multiple=True, metavar="COLUMN", help="A number; a unit's rows are added up.")
@click.option("--money", multiple=True, metavar="COLUMN", help="Decimal major units (12.34); added up exactly.")
@click.option("--ratio", multiple=True, metavar="NAME=NUM/DEN", help="Sum of one column over the sum of another.")
@click.option("--score", multiple=True, metavar="COLUMN", help="A survey's answer; empty where there is none.")
@click.option("--quantile", multiple=True, metavar="COLUMN=Q", help="A quantile of a number, such as latency=0.9.")
@click.option(
    "--covariate",
    multiple=True,
    metavar="[METRIC=]COLUMN",
    help="A number from before the experiment that every metric (or one) is adjusted by.",
)
@click.option(
    "--cap", multiple=True, metavar="METRIC=QUANTILE", help="Units count up to this quantile, as spend=0.999."
)
@click.option("--segment", multiple=True, metavar="COLUMN", help="Tells units apart by what was known before.")
@click.option("--expect", multiple=True, metavar="COLUMN=GIVEN:A=X,B=Y", help="Leave out rows where A has not X, …")
@click.option("--weights", default="", metavar="ARM=W,…", help="The planned split; equal by default.")
@click.option("--alpha", default=0.05, show_default=True, help="Two-sided error rate of each comparison.")
@click.option("--currency", default="", metavar="CODE", help="Of the money, such as EUR; decides its decimals.")
@click.option("--currency-column", default="", metavar="COLUMN", help="Holds the currency; two are an error.")
@click.option("--primary", default="", metavar="METRIC", help="The metric that decides; by default the first.")
@click.option(
    "--guardrail", multiple=True, metavar="METRIC[=MARGIN]", help="Must not be harmed; MARGIN is tolerated, as 2%."
)
@click.option("--lower-is-better", multiple=True, metavar="METRIC", help="Such as returns: a decrease is better.")
@click.option("--planned-units", type=int, metavar="N", help="Of all arms; before them nothing is decided.")
@click.option("--title", default="", help="Of the report; by default the file's name.")
@click.option("--allow-negative", is_flag=True, help="Accept negative money (refunds, corrections).")
@click.option("--moments", is_flag=True, help="The file holds count_c, mean_c, variance_c and the same with _t.")
@click.option(
    "--snapshot", default="", metavar="COLUMN", help="With --moments: orders cumulative rows; the last counts."
)
@click.option(
    "--group", multiple=True, metavar="COLUMN", help="With --moments: tells groups apart; all others by default."
)
@click.option("--adjust", is_flag=True, help="With --moments: how many groups remain when their number counts.")
@click.option("--family", default="", metavar="COLUMN", help="With --moments: adjust within each value of this column.")
@click.option("--peek", is_flag=True, help="With --moments: how many groups were significant at any snapshot.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="Write to this file instead of the terminal.")
def analyze(
    file: Path,
    arm: str,
    control: str,
    unit: str,
    binary: tuple[str, ...],
    number: tuple[str, ...],
    money: tuple[str, ...],
    ratio: tuple[str, ...],
    score: tuple[str, ...],
    quantile: tuple[str, ...],
    covariate: tuple[str, ...],
    cap: tuple[str, ...],
    segment: tuple[str, ...],
    expect: tuple[str, ...],
    weights: str,
    alpha: float,
    currency: str,
    currency_column: str,
    primary: str,
    guardrail: tuple[str, ...],
    lower_is_better: tuple[str, ...],
    planned_units: int | None,
    title: str,
    allow_negative: bool,
    moments: bool,
    snapshot: str,
    group: tuple[str, ...],
    adjust: bool,
    family: str,
    peek: bool,
    form: str,
    output: Path | None,
) -> None:
    """Analyse FILE, one row per unit or one row per event: CSV or Parquet, plain, .gz or .zip.

    \b
    winnow analyze mail.csv.gz --arm treatment --control "No E-Mail" --binary visit --money spend
    winnow analyze page.csv --unit user_id --arm group --control control --binary converted \\
      --expect "landing_page=group:control=old_page,treatment=new_page"
    winnow analyze users.parquet --arm arm --control old --money revenue --covariate revenue=revenue_before \\
      --cap revenue=0.999 --segment country --guardrail returns=2%
    winnow analyze asos.csv.gz --moments --snapshot time_since_start --family metric_id --peek
    """
    try:
        if moments:
            named = (*binary, *number, *money, *ratio, *score, *quantile, *covariate, *cap, *segment, *guardrail)
            _refuse_rows_options(arm, control, unit, named + expect, weights, planned_units)
            aggregated = AggregateSpec(
                groups=group, snapshot=snapshot, adjust=adjust, family=family, peek=peek, alpha=alpha, title=title
            )
            text = _listing(analyze_aggregates(file, aggregated), form)
        else:
            if snapshot or group:
                raise InvalidInput("moments", "--snapshot and --group go with --moments")
            if adjust or family or peek:
                raise InvalidInput("moments", "--adjust, --family and --peek go with --moments")
            ratios = tuple(map(parse_ratio, ratio))
            shared, own = parse_covariates(covariate, {*binary, *number, *money, *score, *(one.name for one in ratios)})
            spec = TableSpec(
                arm=arm,
                control=control,
                unit=unit,
                binary=binary,
                number=number,
                money=money,
                ratios=ratios,
                scores=score,
                quantiles=tuple(parse_share("quantile", one) for one in quantile),
                covariates=shared,
                own_covariates=own,
                caps=once("cap", (parse_share("cap", one) for one in cap)),
                segments=segment,
                expect=tuple(map(parse_expectation, expect)),
                weights=parse_weights(weights),
                alpha=alpha,
                currency=currency,
                currency_column=currency_column,
                primary=primary,
                guardrails=once("guardrail", map(parse_guardrail, guardrail)),
                lower_is_better=lower_is_better,
                planned_units=planned_units,
                title=title,
                allow_negative=allow_negative,
            )
            report = analyze_table(file, spec)
            text = {
                "text": to_text,
                "json": lambda one: _json(report_to_json(one)),
                "md": to_markdown,
                "html": to_html,
            }[form](report)
    except InvalidInput as error:
        raise click.ClickException(f"--{error}") from None
    except InvalidTable as error:
        raise click.ClickException(str(error)) from None
    _write(text, output)


def parse_ratio(text: str) -> Ratio:
    """NAME=NUM/DEN.

    >>> parse_ratio("ctr=clicks/views")
    Ratio(name='ctr', numerator='clicks', denominator='views')
    """
    name, _, columns = text.partition("=")
    numerator, _, denominator = columns.partition("/")
    if not (name.strip() and numerator.strip() and denominator.strip()):
        raise InvalidInput("ratio", f"“{text}” must be NAME=NUMERATOR/DENOMINATOR, for instance ctr=clicks/views")
    return Ratio(name=name.strip(), numerator=numerator.strip(), denominator=denominator.strip())


def parse_expectation(text: str) -> Expectation:
    """COLUMN=GIVEN:A=X,B=Y.

    >>> parse_expectation("page=group:control=old,treatment=new").values
    {'control': 'old', 'treatment': 'new'}
    """
    head, _, pairs = text.partition(":")
    column, _, given = head.partition("=")
    values = _pairs(pairs)
    if not (column.strip() and given.strip()) or not values:
        raise InvalidInput(
            "expect",
            f"“{text}” must be COLUMN=GIVEN:VALUE=EXPECTED,…, for instance page=group:control=old,treatment=new",
        )
    return Expectation(column=column.strip(), given=given.strip(), values=values)


def parse_weights(text: str) -> dict[str, float]:
    """ARM=WEIGHT,ARM=WEIGHT.

    >>> parse_weights("a=1,b=2.5")
    {'a': 1.0, 'b': 2.5}
    """
    try:
        weights = {arm: float(weight) for arm, weight in (_pairs(text) or {}).items()}
    except ValueError:
        weights = {}
    if text and not weights:
        raise InvalidInput("weights", f"“{text}” must be ARM=WEIGHT,ARM=WEIGHT, for instance a=1,b=1")
    return weights


def parse_covariates(
    texts: Iterable[str], metrics: Collection[str]
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """COLUMN for every metric, METRIC=COLUMN for one; what stands before = must be a metric, or it is all a column.

    >>> parse_covariates(["age", "spend=spend_before"], ["spend"])
    (('age',), {'spend': ('spend_before',)})
    """
    shared, own = [], dict[str, tuple[str, ...]]()
    for text in texts:
        metric, equals, column = (part.strip() for part in text.partition("="))
        if equals and column and metric in metrics:
            own[metric] = (*own.get(metric, ()), column)
        else:
            shared.append(text)
    return tuple(shared), own


def parse_share(option: str, text: str) -> tuple[str, float]:
    """NAME=SHARE, a fraction or a percentage.

    >>> parse_share("cap", "spend=99.9%")
    ('spend', 0.999)
    """
    name, _, share = (part.strip() for part in text.rpartition("="))
    try:
        number = float(Decimal(share.removesuffix("%")) / (100 if share.endswith("%") else 1))
    except InvalidOperation:
        number = math.nan
    if not name or math.isnan(number):
        raise InvalidInput(option, f"“{text}” must be NAME=SHARE, for instance spend=0.999 or spend=99.9%")
    return name, number


def parse_guardrail(text: str) -> tuple[str, float | None]:
    """METRIC or METRIC=MARGIN.

    >>> parse_guardrail("returns=2%"), parse_guardrail("returns")
    (('returns', 0.02), ('returns', None))
    """
    return parse_share("guardrail", text) if "=" in text else (text.strip(), None)


def once(option: str, pairs: Iterable[tuple[str, Share]]) -> dict[str, Share]:
    """Pairs as a mapping; a name comes once."""
    found: dict[str, Share] = {}
    for name, share in pairs:
        if name in found:
            raise InvalidInput(option, f"“{name}” is named twice")
        found[name] = share
    return found


def _pairs(text: str) -> dict[str, str]:
    """Empty where any part is no pair, or a name comes twice."""
    parts = [part.rpartition("=") for part in text.split(",")]
    pairs = {name.strip(): value.strip() for name, _, value in parts}
    return pairs if len(pairs) == len(parts) and all(name and value for name, value in pairs.items()) else {}


def _refuse_rows_options(
    arm: str, control: str, unit: str, columns: tuple[str, ...], weights: str, planned_units: int | None
) -> None:
    """An option that would be ignored is a misunderstanding."""
    if arm or control or unit or columns or weights or planned_units is not None:
        raise InvalidInput(
            "moments",
            "takes --group, --snapshot, --adjust, --family, --peek, --alpha and --title;"
            " the columns of an aggregated file are fixed",
        )


def _listing(report: AggregateReport, form: str) -> str:
    return {
        "text": listing_to_text,
        "json": lambda one: _json(listing_to_json(one)),
        "md": listing_to_markdown,
        "html": listing_to_html,
    }[form](report)


def _json(plain: dict[str, object]) -> str:
    return json.dumps(plain, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _write(text: str, output: Path | None) -> None:
    """To the terminal, or to a file that is complete or absent, never half written."""
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=output.parent, prefix=".winnow-", delete=False
        ) as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        Path(file.name).chmod(0o666 & ~umask)  # what an ordinary new file gets
        Path(file.name).replace(output)
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror or error}") from None
