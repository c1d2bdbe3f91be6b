"""Was a visible share of the data left out?"""

from __future__ import annotations

from experiments.contracts import Exclusion, Finding, Message, Severity, gettext_noop
from experiments.health.context import HealthContext

KEY = "left_out"
# A warning and no more: what was left out changes whom the result describes, not whether the arms can be compared.
WARNING_SHARE = 0.01

LITTLE = gettext_noop("Less than 1%% of the data was left out.")
MUCH = gettext_noop("%(share).2f%% of the %(what)s were left out, most of them for one reason: %(reason)s")
READ_REASONS = gettext_noop("Read the list of what was left out, and ask whether it can differ between the arms.")


def check(context: HealthContext) -> Finding:
    """More than 1 % of rows, events or exposures is a warning. Units left out are the two-arm check's business."""
    shares = {what: _share(context, what) for what in sorted({e.what for e in context.exclusions} - {"units"})}
    worst = max(shares, key=lambda what: shares[what], default="")
    if not worst or shares[worst] <= WARNING_SHARE:
        return Finding(check=KEY, severity=Severity.OK, message=Message(template=LITTLE))
    reason = max(_of(context, worst), key=lambda exclusion: exclusion.count).message.text
    return Finding(
        check=KEY,
        severity=Severity.WARNING,
        message=Message(template=MUCH, params={"share": 100 * shares[worst], "what": worst, "reason": reason}),
        action=Message(template=READ_REASONS),
    )


def _of(context: HealthContext, what: str) -> list[Exclusion]:
    return [exclusion for exclusion in context.exclusions if exclusion.what == what]


def _share(context: HealthContext, what: str) -> float:
    """Of all rows that were read; of exposures, of those that led to a unit and those that did not."""
    count = sum(exclusion.count for exclusion in _of(context, what))
    total = count + sum(context.units.values()) if what == "exposures" else context.source.rows
    return count / total if total else 0.0
