"""The ``winnow`` command."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module

import click


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is. Modules are loaded when their command is used: help comes fast and needs no home."""

    module: str
    attribute: str
    help: str  # how the command's own help begins
    needs_django: bool = True


COMMANDS: dict[str, Entry] = {
    "analyze": Entry(
        "winnow.analyze", "analyze", "Analyse FILE, one row per unit or one row per event.", needs_django=False
    ),
    "calibrate": Entry("winnow.calibrate", "calibrate", "Check the statistics on recent units that nothing divides."),
    "demo": Entry("winnow.commands", "demo", "Run the main job on real data."),
    "evaluate": Entry("winnow.strategies", "evaluate", "Judge the strategies KEYS offline."),
    "events": Entry("winnow.events.commands", "events", "Events: bring them in."),
    "items": Entry("winnow.catalog.commands", "items", "Bring the items of FILE into the catalogue."),
    "keys": Entry("winnow.accounts.commands", "keys", "Keys for programs."),
    "login-link": Entry("winnow.commands", "login_link", "Print a link that logs NAME in."),
    "plan": Entry("winnow.plan", "plan", "Plan an experiment on METRIC with recent units."),
    "setup": Entry("winnow.commands", "setup", "Bring the database up to date and check the settings."),
    "strategies": Entry("winnow.strategies", "strategies", "List every strategy that is installed."),
    "train": Entry("winnow.strategies", "train", "Train the strategy KEY."),
    "up": Entry("winnow.commands", "up", "Run everything on this machine."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return sorted(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].help) for name in self.list_commands(ctx)])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, with Django set up if it needs it."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        if entry.needs_django:
            set_django_up()
        command: click.Command = getattr(import_module(entry.module), entry.attribute)
        return command


def set_django_up() -> None:
    """Load settings and applications; what a person can mend becomes one sentence."""
    from winnow.checks import imports_are_ours

    for message in imports_are_ours():  # a foreign package would break the imports that follow
        raise click.ClickException(f"{message.msg}. {message.hint}")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "winnow.settings")
    import django
    from django.conf import settings

    try:
        settings.INSTALLED_APPS  # noqa: B018  (the first access loads them)
    except (ValueError, OSError) as error:
        raise click.ClickException(f"the settings cannot be used: {error}") from None
    django.setup()


@click.group(cls=LazyGroup)
@click.version_option(package_name="winnow-platform")
def main() -> None:
    """A/B tests and evaluation of recommender strategies."""


if __name__ == "__main__":
    main()
