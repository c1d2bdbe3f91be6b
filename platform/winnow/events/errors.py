"""What can be wrong with an event."""

from __future__ import annotations


class BadEvent(ValueError):
    """An event breaks a rule. ``field`` names where, "" for the event as a whole; ``rule`` says which."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule
