"""What a file's analysis leaves out, counted and explained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from experiments.contracts import Exclusion, Finding, Message, Plan, Severity, gettext_noop
from experiments.health import two_arms
from experiments.tables.columns import Layout
from experiments.tables.reading import Tables
from experiments.tables.spec import TableSpec

UNEXPECTED = gettext_noop("%(rules)s.")
WITHOUT_UNIT = gettext_noop("%(column)s is empty.")
IN_TWO_ARMS = gettext_noop("They were in more than one arm.")
NO_ROW_LEFT = gettext_noop("All their rows were left out.")
MISSING = gettext_noop("%(metric)s has no value, and they are left out of %(metric)s only (%(arms)s).")
UNKNOWN = gettext_noop("%(covariate)s is not known of them, and they count as average in what it adjusts (%(arms)s).")
MOVED = gettext_noop(
    "%(count)d units (%(share).2f%%) were in more than one arm before unexpected rows were left out, none is since."
)
SOME_MOVED = gettext_noop(
    "%(count)d units (%(share).2f%%) were in more than one arm before unexpected rows were left out; "
    "the %(left)d that still are were left out too."
)


def exclusions(spec: TableSpec, plan: Plan, places: Layout, tables: Tables) -> tuple[Exclusion, ...]:
    """Rows first, then units, then the units that lack one metric or covariate."""
    left, checked = tables.left, tables.checked
    gone, out = int(str(left.get("gone", 0))), int(str(left.get("n", 0)))
    rules = " or ".join(f"{rule.column} does not fit {rule.given}" for rule in spec.expect)
    found = [
        ("unexpected", checked.unexpected, "rows", Message(template=UNEXPECTED, params={"rules": rules})),
        ("no_unit", checked.without_unit, "rows", Message(template=WITHOUT_UNIT, params={"column": spec.unit})),
        ("two_arms", out - gone, "units", Message(template=IN_TWO_ARMS)),
        ("no_row_left", gone, "units", Message(template=NO_ROW_LEFT)),
        *_missing(spec, plan, places, tables),
    ]
    return tuple(
        Exclusion(code=code, count=count, what=what, message=message) for code, count, what, message in found if count
    )


def _missing(spec: TableSpec, plan: Plan, places: Layout, tables: Tables) -> Iterator[tuple[str, int, str, Message]]:
    """By arm: a value that is missing more often in one arm is a result of the treatment, or a broken log."""
    what = "units" if spec.unit else "rows"
    for key, position in places.main.items():
        if key not in spec.scores:  # their response rate is a metric
            count, arms = _lacking(plan, tables, position)
            yield f"missing:{key}", count, what, Message(template=MISSING, params={"metric": key, "arms": arms})
    for column, position in places.before.items():
        count, arms = _lacking(plan, tables, position)
        yield f"missing:{column}", count, what, Message(template=UNKNOWN, params={"covariate": column, "arms": arms})


def _lacking(plan: Plan, tables: Tables, position: int) -> tuple[int, str]:
    """How many units have no value, in all and by arm."""
    missing = {}
    for arm in plan.arms:
        row = tables.by_arm.get(arm.key)
        if row is not None:
            missing[arm.label] = int(str(row["n"])) - tables.sums(row, position).n
    return sum(missing.values()), ", ".join(f"{arm} {count:,}" for arm, count in missing.items())


def with_moved_units(
    findings: Sequence[Finding], *, moved: int, left_out: int, units: Mapping[str, int]
) -> tuple[Finding, ...]:
    """Say how many units were in two arms before the rules of ``--expect`` repaired some of them."""
    if moved <= left_out:
        return tuple(findings)
    share = 100 * moved / (left_out + sum(units.values()))
    template = SOME_MOVED if left_out else MOVED
    message = Message(template=template, params={"count": moved, "share": share, "left": left_out})
    before = Finding(
        check=two_arms.KEY,
        severity=Severity.WARNING,
        message=message,
        action=Message(template=two_arms.CHECK_ASSIGNMENT),
    )
    repaired = [one for one in findings if one.check == two_arms.KEY and one.severity is Severity.OK]
    return tuple(before if one in repaired else one for one in findings) + (() if repaired else (before,))
