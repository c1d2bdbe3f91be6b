"""A report as data: to store and get back unchanged, as strict JSON, as a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from experiments.contracts import ArmSummary, Comparison, Message, MetricResult, Posterior, Report

if TYPE_CHECKING:
    import pandas as pd
    from _typeshed import DataclassInstance

REPORT = TypeAdapter(Report)
NAMES = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}

Leaf = Callable[[float], object]  # how a number that JSON lacks is written


def freeze(report: Report) -> dict[str, object]:
    """A report as a JSON object without loss: nan and ±inf become strings. Message parameters must be finite."""
    return _plain_object(report, lambda number: NAMES[str(number)])


def thaw(frozen: Mapping[str, object]) -> Report:
    """The report that was frozen."""
    return REPORT.validate_python(frozen)


def report_to_json(report: Report) -> dict[str, object]:
    """A report as a strict JSON object for programs: null where data cannot answer, with the reasons beside it.

    Messages carry their English ``text`` and comparisons say whether they are ``significant``.
    """
    return _plain_object(report, lambda _number: None, derived=True)


def _plain_object(value: DataclassInstance, write: Leaf, derived: bool = False) -> dict[str, object]:
    plain = {f.name: _plain(getattr(value, f.name), write, derived) for f in fields(value)}
    if derived and isinstance(value, Message):
        plain["text"] = value.text
    if derived and isinstance(value, Comparison):
        plain["significant"] = value.significant
    return plain


def _plain(value: object, write: Leaf, derived: bool) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain_object(value, write, derived)
    if isinstance(value, Mapping):
        return {str(key): _plain(part, write, derived) for key, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part, write, derived) for part in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return write(value)
    return str(value) if isinstance(value, str) else value  # an enum becomes its value


def report_to_frame(report: Report) -> pd.DataFrame:
    """One row per metric and treatment: the arms' values, the effect and its intervals."""
    import pandas as pd  # half a second that only notebooks should pay

    return pd.DataFrame(list(_rows(report)))


def _rows(report: Report) -> Iterator[dict[str, object]]:
    for result in report.metrics:
        control, *treatments = result.arms
        for treatment, comparison in zip(treatments, result.comparisons, strict=True):
            yield _row(result, control, treatment, comparison)


def _of(posteriors: tuple[Posterior, ...], arm: str, name: str) -> float:
    return next((float(getattr(one, name)) for one in posteriors if one.arm == arm), math.nan)


def _row(result: MetricResult, control: ArmSummary, treatment: ArmSummary, comparison: Comparison) -> dict[str, object]:
    return {
        "metric": result.metric.key,
        "role": str(result.metric.role),
        "arm": comparison.arm,
        "control": comparison.control,
        "control_n": control.n,
        "n": treatment.n,
        "control_mean": control.mean,
        "mean": treatment.mean,
        "effect": comparison.effect,
        "se": comparison.se,
        "df": comparison.df,
        "ci_low": comparison.ci_low,
        "ci_high": comparison.ci_high,
        "p_value": comparison.p_value,
        "log_p": comparison.log_p,
        "rel_effect": comparison.rel_effect,
        "rel_ci_low": comparison.rel_ci_low,
        "rel_ci_high": comparison.rel_ci_high,
        "alpha": comparison.alpha,
        "critical": comparison.critical,
        "unadjusted_p": comparison.unadjusted_p,
        "correction": str(result.correction),
        "reduction": result.reduction,
        "cap": result.cap,
        "chance_to_beat": _of(result.posteriors, comparison.arm, "chance_to_beat"),
        "expected_loss": _of(result.posteriors, comparison.arm, "expected_loss"),
        "guardrail": str(next((one.standing for one in result.guardrails if one.arm == comparison.arm), "")),
        "significant": comparison.significant,
        "reasons": ", ".join(comparison.reasons),
    }
