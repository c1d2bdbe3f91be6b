"""Commands that run an installation and let people in."""

from __future__ import annotations

import time

import click
from django.conf import settings
from rich.console import Console

from winnow import up as stack
from winnow.accounts.keys import create_login_link
from winnow.accounts.models import User
from winnow.accounts.roles import Role
from winnow.processes import CannotRun

HOST = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")


@click.command()
@HOST
@click.option("--port", default=8000, show_default=True, help="Port to listen on; 0 takes a free one.")
def up(host: str, port: int) -> None:
    """Run everything on this machine: pages, API, worker, scheduler and, without WINNOW_BROKER_URL, a broker."""
    try:
        with stack.running(host, port or stack.free_port(host)) as running:
            click.echo(f"Winnow is at {running.url} (logs in {settings.HOME / 'log'}; Ctrl-C ends it)")
            if not User.objects.exists():
                click.echo(
                    f"Nobody can log in yet: winnow login-link NAME --role admin --url {running.url}"
                    " makes a person and a link."
                )
            running.run()
    except CannotRun as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("stopped")


@click.command()
def setup() -> None:
    """Bring the database up to date and check the settings, without starting anything."""
    try:
        stack.prepare()
    except CannotRun as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"Winnow is ready to run with its home in {settings.HOME}")


@click.command()
@click.argument("name")
@click.option("--role", type=click.Choice(Role.values), help="Role of a person who is new (viewer by default).")
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="Where the pages are.")
def login_link(name: str, role: str | None, url: str) -> None:
    """Print a link that logs NAME in, once, within an hour; the person is made if need be."""
    click.echo(link_for(name, role=Role(role) if role else None, url=url))


def link_for(name: str, *, role: Role | None, url: str) -> str:
    """A one-time login link; a role that is given is set."""
    user = User.objects.filter(username=name).first()
    if user is None:
        user = User.objects.create_user(name, role=role or Role.VIEWER)
    elif role and user.role != role:
        user.role = role
        user.save(update_fields=["role"])
    return f"{url}/login/link/{create_login_link(user)}"


@click.command()
@HOST
@click.option(
    "--port", default=8000, show_default=True, help="Port to listen on; another one is taken if it is in use."
)
@click.option("--serve/--no-serve", default=True, help="Go on serving the pages at the end.")
def demo(host: str, port: int, serve: bool) -> None:
    """Run the main job on real data: register, send, evaluate, print, and serve the pages."""
    from winnow.demo import run
    from winnow.demo.client import DemoFailed
    from winnow.demo.openbandit import DownloadFailed

    console = Console(soft_wrap=True)
    try:
        with run.stack_for_demo(host, port, console) as url:
            run.run(url, console)
            if not serve:
                return
            console.print(f"\nThe pages are at {url}. Log in with this link, once, within the hour:")
            console.print(link_for("demo", role=Role.ADMIN, url=url), markup=False, highlight=False)
            console.print("Ctrl-C ends the demo.")
            while True:
                time.sleep(1)
    except (DemoFailed, DownloadFailed, CannotRun) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        console.print("stopped")
