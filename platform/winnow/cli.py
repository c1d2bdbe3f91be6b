"""The ``winnow`` command."""

from __future__ import annotations

import os
from importlib import import_module

import click

# name → (module, attribute, needs Django). Modules are loaded when their command is used: analysing a file starts
# fast and leaves no trace in the folder it is used in.
COMMANDS: dict[str, tuple[str, str, bool]] = {
    "analyze": ("winnow.analyze", "analyze", False),
    "demo": ("winnow.commands", "demo", True),
    "events": ("winnow.events.commands", "events", True),
    "keys": ("winnow.commands", "keys", True),
    "login-link": ("winnow.commands", "login_link", True),
    "up": ("winnow.commands", "up", True),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, with Django set up if it needs it."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, needs_django = COMMANDS[cmd_name]
        if needs_django:
            os.environ.setdefault("DJANGO_SETTINGS_MODULE", "winnow.settings")
            import django

            django.setup()
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.group(cls=LazyGroup)
@click.version_option(package_name="winnow-platform")
def main() -> None:
    """A/B tests and evaluation of recommender strategies."""


if __name__ == "__main__":
    main()
