"""``winnow analyze``: a file in, a report out. No server, no settings, nothing stored."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

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
@click.option(
    "--covariate", multiple=True, metavar="COLUMN", help="A number from before the experiment: is it balanced?"
)
@click.option("--expect", multiple=True, metavar="COLUMN=GIVEN:A=X,B=Y", help="Leave out rows where A has not X, …")
@click.option("--weights", default="", metavar="ARM=W,…", help="The planned split; equal by default.")
@click.option("--alpha", default=0.05, show_default=True, help="Two-sided error rate of each comparison.")
@click.option("--currency", default="", metavar="CODE", help="Of the money, such as EUR; decides its decimals.")
@click.option("--currency-column", default="", metavar="COLUMN", help="Holds the currency; two are an error.")
@click.option("--primary", default="", metavar="METRIC", help="The metric that decides; by default the first.")
@click.option("--lower-is-better", multiple=True, metavar="METRIC", help="Such as returns: a decrease is better.")
@click.option("--title", default="", help="Of the report; by default the file's name.")
@click.option("--allow-negative", is_flag=True, help="Accept negative money (refunds, corrections).")
@click.option("--moments", is_flag=True, help="The file holds count_c, mean_c, variance_c and the same with _t.")
@click.option(
    "--snapshot", default="", metavar="COLUMN", help="With --moments: orders cumulative rows; the last counts."
)
@click.option(
    "--group", multiple=True, metavar="COLUMN", help="With --moments: tells groups apart; all others by default."
)
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
    covariate: tuple[str, ...],
    expect: tuple[str, ...],
    weights: str,
    alpha: float,
    currency: str,
    currency_column: str,
    primary: str,
    lower_is_better: tuple[str, ...],
    title: str,
    allow_negative: bool,
    moments: bool,
    snapshot: str,
    group: tuple[str, ...],
    form: str,
    output: Path | None,
) -> None:
    """Analyse FILE, one row per unit or one row per event: CSV or Parquet, plain, .gz or .zip.

    \b
    winnow analyze mail.csv.gz --arm treatment --control "No E-Mail" --binary visit --money spend
    winnow analyze page.csv --unit user_id --arm group --control control --binary converted \\
      --expect "landing_page=group:control=old_page,treatment=new_page"
    winnow analyze asos.csv.gz --moments --snapshot time_since_start
    """
    try:
        if moments:
            _refuse_rows_options(arm, control, unit, binary + number + money + ratio + covariate + expect, weights)
            aggregated = AggregateSpec(groups=group, snapshot=snapshot, alpha=alpha, title=title)
            text = _listing(analyze_aggregates(file, aggregated), form)
        else:
            if snapshot or group:
                raise InvalidInput("moments", "--snapshot and --group go with --moments")
            spec = TableSpec(
                arm=arm,
                control=control,
                unit=unit,
                binary=binary,
                number=number,
                money=money,
                ratios=tuple(map(parse_ratio, ratio)),
                covariates=covariate,
                expect=tuple(map(parse_expectation, expect)),
                weights=parse_weights(weights),
                alpha=alpha,
                currency=currency,
                currency_column=currency_column,
                primary=primary,
                lower_is_better=lower_is_better,
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


def _pairs(text: str) -> dict[str, str]:
    """Empty where any part is no pair, or a name comes twice."""
    parts = [part.rpartition("=") for part in text.split(",")]
    pairs = {name.strip(): value.strip() for name, _, value in parts}
    return pairs if len(pairs) == len(parts) and all(name and value for name, value in pairs.items()) else {}


def _refuse_rows_options(arm: str, control: str, unit: str, columns: tuple[str, ...], weights: str) -> None:
    """An option that would be ignored is a misunderstanding."""
    if arm or control or unit or columns or weights:
        raise InvalidInput(
            "moments", "takes --group, --snapshot, --alpha and --title; the columns of an aggregated file are fixed"
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
