"""The metrics that every installation has. Event names are those of the event schema (docs/events.md)."""

from __future__ import annotations

from experiments.contracts import Direction, Kind, MetricDefinition, Scale, Term, gettext_noop

IMPRESSION = (Term(event="Promotion Viewed"),)
CLICK = (Term(event="Promotion Clicked"),)
JOIN = (Term(event="Promotion Joined"),)
ORDER = (Term(event="Order Completed"),)
REVENUE = (Term(event="Order Completed", value=True), Term(event="Order Refunded", value=True, sign=-1))
VISIT = tuple(Term(event=name) for name in ("Promotion Viewed", "Product Viewed", "Promotion Clicked"))
RESPONSE = (Term(event="Survey Answered"),)

BUILTIN_METRICS: tuple[MetricDefinition, ...] = (
    MetricDefinition(
        key="ctr",
        name=gettext_noop("CTR"),
        kind=Kind.RATIO,
        numerator=CLICK,
        denominator=IMPRESSION,
        scale=Scale.SHARE,
        description=gettext_noop("Clicks per impression of a recommendation."),
    ),
    MetricDefinition(
        key="conversion",
        name=gettext_noop("Conversion"),
        kind=Kind.PROPORTION,
        numerator=ORDER,
        scale=Scale.SHARE,
        description=gettext_noop("Share of units with at least one order."),
    ),
    MetricDefinition(
        key="post-click-conversion",
        name=gettext_noop("Post-click conversion"),
        kind=Kind.RATIO,
        numerator=ORDER,
        denominator=CLICK,
        scale=Scale.SHARE,
        description=gettext_noop("Orders per click."),
    ),
    MetricDefinition(
        key="participation",
        name=gettext_noop("Participation rate"),
        kind=Kind.PROPORTION,
        numerator=JOIN,
        scale=Scale.SHARE,
        description=gettext_noop("Share of units that joined a campaign."),
    ),
    MetricDefinition(
        key="participations",
        name=gettext_noop("Participations"),
        kind=Kind.MEAN,
        numerator=JOIN,
        description=gettext_noop("Campaigns joined per unit."),
    ),
    MetricDefinition(
        key="revenue",
        name=gettext_noop("Revenue"),
        kind=Kind.MEAN,
        numerator=REVENUE,
        scale=Scale.MONEY,
        description=gettext_noop("Order value net of refunds, per unit."),
    ),
    MetricDefinition(
        key="revenue-capped",
        name=gettext_noop("Revenue, capped"),
        kind=Kind.MEAN,
        numerator=REVENUE,
        scale=Scale.MONEY,
        winsor=0.99,
        description=gettext_noop("Revenue per unit, each unit counting up to the 99th percentile of those that paid."),
    ),
    MetricDefinition(
        key="average-order-value",
        name=gettext_noop("Average order value"),
        kind=Kind.RATIO,
        numerator=REVENUE,
        denominator=ORDER,
        scale=Scale.MONEY,
        description=gettext_noop("Order value net of refunds, per order."),
    ),
    MetricDefinition(
        key="returns",
        name=gettext_noop("Return rate"),
        kind=Kind.RATIO,
        numerator=(Term(event="Order Refunded"),),
        denominator=ORDER,
        direction=Direction.DECREASE,
        scale=Scale.SHARE,
        description=gettext_noop("Refunds per order."),
    ),
    MetricDefinition(
        key="satisfaction",
        name=gettext_noop("Satisfaction"),
        kind=Kind.RATIO,
        numerator=(Term(event="Survey Answered", value=True),),
        denominator=RESPONSE,
        ranked=True,
        description=gettext_noop("Mean survey score of those who answered."),
    ),
    MetricDefinition(
        key="retention",
        name=gettext_noop("Retention, second week"),
        kind=Kind.PROPORTION,
        numerator=VISIT,
        after_days=7,
        window_days=14,
        scale=Scale.SHARE,
        description=gettext_noop("Share of units that came back 7 to 14 days after their first exposure."),
    ),
    MetricDefinition(
        key="response-rate",
        name=gettext_noop("Survey response rate"),
        kind=Kind.PROPORTION,
        numerator=RESPONSE,
        scale=Scale.SHARE,
        description=gettext_noop("Share of units that answered the survey. Read it before satisfaction."),
    ),
)
