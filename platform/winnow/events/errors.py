"""What can be wrong with an event."""

from __future__ import annotations


class BadEvent(ValueError):
    """An event breaks a rule. ``field`` names where, "" for the event as a whole; ``rule`` says which."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule


def short(value: object) -> str:
    """A value as it stands in a message: at most 60 characters."""
    try:
        text = repr(value)
    except RecursionError:
        text = "what is nested so deeply"
    return text if len(text) <= 60 else text[:57] + "…" + text[-1]
