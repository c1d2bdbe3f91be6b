"""Errors of the recommenders domain. Each carries a sentence that a user can act on."""

from __future__ import annotations


class RecommendersError(Exception):
    """Base of every error that this domain raises for a user's mistake."""


class InvalidData(RecommendersError):
    """Interactions, items or a file break a rule. ``field`` names it, the message says value and rule."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class InvalidConfig(RecommendersError):
    """A strategy's configuration breaks a rule. ``field`` names it, the message says value and rule."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class UnknownStrategy(RecommendersError):
    """No strategy has this key."""


class MissingExtra(RecommendersError):
    """A strategy needs packages that are not installed; the message says how to install them."""


class Unfit(RecommendersError):
    """A strategy cannot be trained on this data, or not within this budget; the message says what is missing."""


class BrokenArtefact(RecommendersError):
    """A stored version is incomplete, was changed, or is of a class that may not be loaded."""
