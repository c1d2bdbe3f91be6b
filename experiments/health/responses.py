"""Did the arms answer the survey equally often? The first question about every score."""

from __future__ import annotations

from scipy import special

from experiments import figures
from experiments.contracts import Finding, Kind, Message, PlannedMetric, Severity, gettext_noop
from experiments.health.context import HealthContext

KEY = "responses"
UNEVEN_P = 0.01
FEWEST_EXPECTED = 5  # with and without an answer in every arm, below which the chi-square distribution does not hold

NOBODY_ASKED = gettext_noop("No metric is a score that only some units give.")
EVEN = gettext_noop("The arms answered equally often: %(metric)s, %(share).1f%% of the units (p = %(p)s).")
FEW = gettext_noop("There are too few answers to compare how often the arms gave them: %(metric)s.")
UNEVEN = gettext_noop(
    "The arms did not answer equally often: %(metric)s, %(least)s %(least_share).1f%%, %(most)s %(most_share).1f%% "
    "(p = %(p)s), so its mean compares different people."
)
WEIGH = gettext_noop(
    "Read how often each arm answered as a result of its own; compare scores only after weighting those who answered "
    "by what was known of them before."
)


def check(context: HealthContext) -> Finding:
    """The score whose answers are spread most unevenly; p < .01 is a warning."""
    judged = [_judge(context, metric) for metric in _scores(context)]
    if not judged:
        return Finding(check=KEY, severity=Severity.OK, message=Message(template=NOBODY_ASKED))
    known = [one for one in judged if one[0] == one[0]]
    p, message = min(known, key=lambda one: one[0]) if known else judged[0]
    uneven = p < UNEVEN_P
    return Finding(
        check=KEY,
        severity=Severity.WARNING if uneven else Severity.OK,
        message=message,
        action=Message(template=WEIGH) if uneven else None,
    )


def _scores(context: HealthContext) -> list[PlannedMetric]:
    return [one for one in context.plan.metrics if one.kind is not Kind.QUANTILE and one.key in context.responses]


def _judge(context: HealthContext, metric: PlannedMetric) -> tuple[float, Message]:
    """Pearson's chi-square test of answers by arm, and its sentence; nan where there are too few."""
    answers = context.responses[metric.key]
    arms = [(arm, answers.get(arm.key, 0), context.units.get(arm.key, 0)) for arm in context.plan.arms]
    units = sum(n for _, _, n in arms)
    share = sum(given for _, given, _ in arms) / units if units else 0.0
    if min(n for _, _, n in arms) * min(share, 1 - share) < FEWEST_EXPECTED:
        return float("nan"), Message(template=FEW, params={"metric": metric.name})
    statistic = sum((given - n * share) ** 2 / (n * share * (1 - share)) for _, given, n in arms)
    p = float(special.chdtrc(len(arms) - 1, statistic))
    shown = {"metric": metric.name, "p": figures.p_value(p)}
    if p >= UNEVEN_P:
        return p, Message(template=EVEN, params={**shown, "share": 100 * share})
    least, *_, most = sorted(arms, key=lambda one: one[1] / one[2])
    return p, Message(
        template=UNEVEN,
        params={
            **shown,
            "least": least[0].label,
            "least_share": 100 * least[1] / least[2],
            "most": most[0].label,
            "most_share": 100 * most[1] / most[2],
        },
    )
