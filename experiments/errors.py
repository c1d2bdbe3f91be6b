"""Errors of the experiments domain.

Each one carries a sentence that a user can act on: what was wrong, where, and the rule.
"""

from __future__ import annotations


class ExperimentsError(Exception):
    """Base of every error that this domain raises for a user's mistake."""


class InvalidInput(ExperimentsError):
    """A value breaks a rule. ``field`` names it, the message says value and rule."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class InvalidTable(ExperimentsError):
    """A file cannot be analysed. The message says file, column, row (1-based, header not counted) and rule."""


class IllegalTransition(ExperimentsError):
    """An experiment is not in a state that allows the step."""


class UnknownExperiment(ExperimentsError):
    """No experiment has this key."""
