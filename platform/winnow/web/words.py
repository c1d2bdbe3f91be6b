"""Codes of the domains in words for people, and their sentences in the language of the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from experiments.contracts import Action, Decision, Direction, Message, Reason, Role, Severity, Stopping, Unit
from experiments.models import Experiment, State
from experiments.rendering import cells

UNITS: dict[Unit, Promise] = {Unit.USER: _("user"), Unit.IMPRESSION: _("impression")}

ROLES: dict[Role, Promise] = {
    Role.PRIMARY: _("primary"),
    Role.GUARDRAIL: _("guardrail"),
    Role.SECONDARY: _("secondary"),
}

DIRECTIONS: dict[Direction, Promise] = {
    Direction.INCREASE: _("Higher is better."),
    Direction.DECREASE: _("Lower is better."),
}

SEVERITIES: dict[Severity, Promise] = {
    Severity.OK: _("Passed"),
    Severity.WARNING: _("Warning"),
    Severity.FAILURE: _("Failed"),
}

DECISIONS: dict[Decision, Promise] = {
    Decision.BETTER: _("Better"),
    Decision.WORSE: _("Worse"),
    Decision.UNSETTLED: _("Not settled"),
    Decision.DO_NOT_TRUST: _("Do not trust"),
}

ACTIONS: dict[Action, Promise] = {
    Action.SHIP: _("Ship"),
    Action.ROLL_BACK: _("Roll back"),
    Action.KEEP_RUNNING: _("Keep running"),
    Action.DO_NOT_TRUST: _("Do not trust"),
}

STOPPINGS: dict[Stopping, Promise] = {
    Stopping.ONCE: _("One look, at the end"),
    Stopping.SPENDING: _("A planned end, looks in between"),
    Stopping.SEQUENCE: _("No planned end, looks at any time"),
}

REASONS: dict[Reason, Promise] = {
    Reason.NO_UNITS: _("An arm has no units, so there is nothing to compare."),
    Reason.TOO_FEW_UNITS: _("An arm has fewer than two units: too few to say how much they vary."),
    Reason.NO_VARIANCE: _("All units have the same value, so no interval can be computed."),
    Reason.NO_DENOMINATOR: _("The denominator is 0 in an arm, so the ratio has no value."),
    Reason.ZERO_BASELINE: _("The control's value is 0, so there is no relative effect; read the difference."),
    Reason.UNBOUNDED: _(
        "The control's value cannot be told from 0, so the relative effect is not bounded; read the difference."
    ),
    Reason.TOO_EARLY: _("It is so early in the plan that no effect could be settled yet."),
    Reason.MISSING: _("A value is missing in the data, so nothing was computed from the rest."),
}

CHECKS: dict[str, Promise] = {
    "split": _("split between the arms"),
    "two_arms": _("units in two arms"),
    "empty_arms": _("arms without units"),
    "empty_metrics": _("metrics without data"),
    "unknown_arms": _("arms that are not planned"),
    "left_out": _("data left out"),
    "not_randomised": _("arms not formed at random"),
    "outcomes": _("missing outcomes"),
    "before": _("differences from before exposure"),
    "responses": _("how often the arms answered"),
    "overrun": _("units beyond the plan"),
    "low_exposure": _("few units"),
    "immature": _("units exposed too late"),
    "late": _("late events"),
    "skew": _("skewed values in an unequal split"),
}

STEPS: dict[str, Promise] = {"compact": _("Carrying new events into the lake"), "read": _("Reading the events")}

COUNTED: dict[str, Promise] = {"rows": _("rows"), "events": _("events"), "exposures": _("exposures")}

# Parameters of sentences that hold codes, several of them with commas between; figures; names of metrics.
_CODES: dict[str, Mapping[str, Promise]] = {"check": CHECKS, "checks": CHECKS, "what": COUNTED}
_FIGURES = ("effect", "low", "high", "raw", "loss", "staying")
_METRICS = ("metric", "metrics")


def sentence(message: Message, quoted: Mapping[str, str] | None = None) -> str:
    """A sentence in the language of the page. ``quoted`` are translations of sentences that others quote."""
    params = {name: _parameter(name, value, quoted or {}) for name, value in message.params.items()}
    return gettext(message.template) % params


def not_possible(experiment: Experiment) -> str:
    """Why a step was refused, by the state as it is now: somebody else may have moved the experiment on."""
    experiment.refresh_from_db(fields=["state"])
    state = State(experiment.state).label
    return gettext("This is not possible: the experiment's state is “%(state)s”.") % {"state": state}


def points(figure: str) -> str:
    """A figure of :mod:`experiments.figures` with its percentage points in the language of the page."""
    return figure.replace(" pp", " " + gettext("pp"))


def metric_name(name: str) -> str:
    """The name of a metric; the built-in ones are translated."""
    return gettext(name) if name else ""


def _parameter(name: str, value: str | int | float, quoted: Mapping[str, str]) -> str | int | float:
    if not isinstance(value, str):
        return value
    if name in _FIGURES:
        return points(value)
    if name == "reasons":
        return _each(value, lambda code: gettext(cells.REASONS[Reason(code)]))
    if name in _METRICS:
        return _each(value, metric_name)
    if name in _CODES:
        return _each(value, lambda code: str(_CODES[name].get(code, code)))
    return quoted.get(value, value)  # a name that people gave, unless somebody is quoted


def _each(listed: str, write: Callable[[str], str]) -> str:
    return gettext(", ").join(write(part) for part in listed.split(", "))
