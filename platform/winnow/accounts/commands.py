"""``winnow keys``: the keys of programs and of web pages."""

from __future__ import annotations

from datetime import datetime, timedelta

import click
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from winnow.accounts.keys import BadKey, create_api_key, find_by_prefix, revoke, rotate_api_key
from winnow.accounts.models import ApiKey, KeyKind, Scope

WIDE = 500  # characters; a line is as long as it needs to be, for a key that is wrapped cannot be copied


@click.group()
def keys() -> None:
    """Keys for programs."""


@keys.command("create")
@click.argument("name")
@click.option(
    "--scope", "scopes", type=click.Choice(Scope.values), multiple=True, required=True, help="What the key may do."
)
@click.option(
    "--client", is_flag=True, help="A public key that may stand in web pages: it writes events and evaluates."
)
@click.option("--origin", "origins", multiple=True, help="Origin of pages that use a client key: https://shop.example.")
@click.option("--per-second", type=int, help="Most requests a second (200 for a client key, else no bound).")
def create_key(
    name: str, scopes: tuple[str, ...], client: bool, origins: tuple[str, ...], per_second: int | None
) -> None:
    """Make a key for the program NAME and print it; a server key cannot be shown again."""
    first, *more = (Scope(scope) for scope in scopes)
    kind = KeyKind.CLIENT if client else KeyKind.SERVER
    try:
        key = create_api_key(name=name, scope=first, more=more, kind=kind, origins=origins, per_second=per_second)
    except BadKey as error:
        raise click.ClickException(str(error)) from None
    click.echo(key)
    if client and not origins:
        click.echo("No page may use it yet: browsers send only from origins given with --origin.", err=True)


@keys.command("list")
def list_keys() -> None:
    """List every key: how it begins, what it may do, when it was used."""
    table = Table("key", "name", "kind", "scopes", "requests/s", "origins", "created", "last used", "state", box=None)
    for key in ApiKey.objects.order_by("id"):
        table.add_row(
            key.client_key or f"{key.prefix}…",
            key.name,
            key.kind,
            key.scopes,
            "" if key.per_second is None else str(key.per_second),
            key.origins,
            _moment(key.created_at),
            _moment(key.last_used_at) or "never",
            _state(key),
        )
    Console(width=WIDE).print(table)


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""


def _state(key: ApiKey) -> str:
    if key.revoked_at is None:
        return "live"
    return f"works until {_moment(key.revoked_at)}" if key.revoked_at > timezone.now() else "revoked"


@keys.command("rotate")
@click.argument("key")
@click.option("--overlap-hours", default=24.0, show_default=True, type=click.FloatRange(min=0))
def rotate_key(key: str, overlap_hours: float) -> None:
    """Make the successor of KEY (or of the one that begins so) and print it; the old one works for a while longer."""
    try:
        old = find_by_prefix(key)
        new = rotate_api_key(old, overlap=timedelta(hours=overlap_hours))
    except BadKey as error:
        raise click.ClickException(str(error)) from None
    click.echo(new)
    click.echo(f"{old} works for {overlap_hours:g} hours more.", err=True)


@keys.command("revoke")
@click.argument("key")
def revoke_key(key: str) -> None:
    """Make KEY (or the one that begins so) useless from now on."""
    try:
        found = find_by_prefix(key)
    except BadKey as error:
        raise click.ClickException(str(error)) from None
    done = revoke(ApiKey.objects.filter(pk=found.pk))
    click.echo(f"{found} is revoked" if done else f"{found} was revoked before")
