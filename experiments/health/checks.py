"""The registry of health checks: one file each, one line here, one heading in docs/statistics/trust.md."""

from __future__ import annotations

import logging
from collections.abc import Callable

from experiments.contracts import Finding, Message, Severity, gettext_noop
from experiments.health import (
    before,
    empty_arms,
    empty_metrics,
    immature,
    late,
    left_out,
    low_exposure,
    not_randomised,
    outcomes,
    overrun,
    responses,
    skew,
    split,
    two_arms,
    unknown_arms,
)
from experiments.health.context import HealthContext

logger = logging.getLogger(__name__)

Check = Callable[[HealthContext], Finding]

# Those that can veto a verdict come first, and of them what says most about how the arms came about.
CHECKS: tuple[tuple[str, Check], ...] = (
    (split.KEY, split.check),
    (not_randomised.KEY, not_randomised.check),
    (two_arms.KEY, two_arms.check),
    (empty_arms.KEY, empty_arms.check),
    (outcomes.KEY, outcomes.check),
    (before.KEY, before.check),
    (responses.KEY, responses.check),
    (skew.KEY, skew.check),
    (low_exposure.KEY, low_exposure.check),
    (immature.KEY, immature.check),
    (overrun.KEY, overrun.check),
    (late.KEY, late.check),
    (unknown_arms.KEY, unknown_arms.check),
    (left_out.KEY, left_out.check),
    (empty_metrics.KEY, empty_metrics.check),
)

CRASHED = gettext_noop("The check “%(check)s” could not run (%(error)s), so nothing is known about it.")
REPORT_IT = gettext_noop("Tell the engineers of this installation; the log has the details.")


def run_checks(context: HealthContext, checks: tuple[tuple[str, Check], ...] = CHECKS) -> tuple[Finding, ...]:
    """One finding per check. A check that crashes becomes a warning that names it and hides none of the others."""
    return tuple(_run(key, check, context) for key, check in checks)


def _run(key: str, check: Check, context: HealthContext) -> Finding:
    try:
        return check(context)
    except Exception as error:
        logger.exception("health check %s crashed", key)
        return Finding(
            check=key,
            severity=Severity.WARNING,
            message=Message(template=CRASHED, params={"check": key, "error": type(error).__name__}),
            action=Message(template=REPORT_IT),
        )
