"""The trust panel of a report: what the health checks say, and what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext, ngettext

from experiments.contracts import Finding, Report, Severity
from winnow.web.words import CHECKS, SEVERITIES, sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One finding. ``severity`` chooses the icon, ``label`` says the same in a word."""

    severity: str
    label: str
    name: str
    text: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustPanel:
    """``severity`` is the worst there is; the headline says it in one line."""

    severity: str
    headline: str
    checks: tuple[CheckRow, ...]
    exclusions: tuple[str, ...]


def trust_panel(report: Report) -> TrustPanel:
    """The worst findings first."""
    quoted = {exclusion.message.text: sentence(exclusion.message) for exclusion in report.exclusions}
    order = (Severity.FAILURE, Severity.WARNING, Severity.OK)
    findings = sorted(report.findings, key=lambda finding: order.index(finding.severity))
    return TrustPanel(
        severity=findings[0].severity if findings else Severity.WARNING,
        headline=_headline(findings),
        checks=tuple(_row(finding, quoted) for finding in findings),
        exclusions=tuple(quoted.values()),
    )


def _row(finding: Finding, quoted: Mapping[str, str]) -> CheckRow:
    return CheckRow(
        severity=finding.severity,
        label=str(SEVERITIES[finding.severity]),
        name=str(CHECKS.get(finding.check, finding.check)),
        text=sentence(finding.message, quoted),
        action=sentence(finding.action, quoted) if finding.action else "",
    )


def _headline(findings: Sequence[Finding]) -> str:
    number = Counter(finding.severity for finding in findings)
    failed, warned, total = number[Severity.FAILURE], number[Severity.WARNING], len(findings)
    if failed:
        return ngettext(
            "%(failed)d of %(total)d checks failed: do not read the results.",
            "%(failed)d of %(total)d checks failed: do not read the results.",
            failed,
        ) % {"failed": failed, "total": total}
    if warned:
        return ngettext(
            "No check failed; %(warned)d of %(total)d has a warning.",
            "No check failed; %(warned)d of %(total)d have a warning.",
            warned,
        ) % {"warned": warned, "total": total}
    if total:
        return ngettext("The check passed.", "All %(total)d checks passed.", total) % {"total": total}
    return gettext("Nothing was checked.")
