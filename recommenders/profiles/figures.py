"""Every figure of a profile: what it is called, its unit, and how it is computed. docs/profiles.md lists them all."""

from __future__ import annotations

from dataclasses import dataclass


def gettext_noop(message: str) -> str:
    """Marks a text for translation where it is shown."""
    return message


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of a profile. ``scale`` makes it whole where it is used as a covariate, without losing much."""

    key: str
    name: str
    unit: str
    formula: str
    scale: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A text by which users are told apart; ``values`` are all it can be, () where they come from the data."""

    key: str
    name: str
    formula: str
    values: tuple[str, ...] = ()


USER_FIGURES: tuple[Figure, ...] = (
    Figure(key="events", name=gettext_noop("Events"), unit="events", formula="all events of the user"),
    Figure(key="views", name=gettext_noop("Product views"), unit="acts", formula="acts of the kind view"),
    Figure(key="clicks", name=gettext_noop("Clicks"), unit="acts", formula="acts of the kind click"),
    Figure(key="favourites", name=gettext_noop("Favourites"), unit="acts", formula="acts of the kind favourite"),
    Figure(key="purchases", name=gettext_noop("Items bought"), unit="acts", formula="acts of the kind purchase"),
    Figure(key="orders", name=gettext_noop("Orders"), unit="orders", formula="Order Completed events"),
    Figure(
        key="spend",
        name=gettext_noop("Spend"),
        unit="minor units",
        formula="Σ value of orders − Σ value of refunds, in the main currency",
    ),
    Figure(
        key="spend_per_month",
        name=gettext_noop("Spend per active month"),
        unit="minor units",
        formula="spend ÷ number of calendar months with an order",
    ),
    Figure(
        key="median_order", name=gettext_noop("Median order"), unit="minor units", formula="median value of the orders"
    ),
    Figure(
        key="deal_share",
        name=gettext_noop("Orders with money off"),
        unit="share",
        formula="orders with a coupon or a discount ÷ orders",
        scale=1000,
    ),
    Figure(
        key="price_level",
        name=gettext_noop("Price level"),
        unit="share",
        formula="mean over the items bought of the share of the category's items that cost less, ties half",
        scale=1000,
    ),
    Figure(
        key="order_gap_days",
        name=gettext_noop("Days between orders"),
        unit="days",
        formula="median of the days between an order and the next; from two orders on",
        scale=100,
    ),
    Figure(
        key="days_since_last",
        name=gettext_noop("Days since the last act"),
        unit="days",
        formula="days from the last act with an item, or order, to the moment of the profile",
        scale=100,
    ),
    Figure(
        key="tenure_days",
        name=gettext_noop("Days since the first event"),
        unit="days",
        formula="days from the first event to the moment of the profile",
        scale=100,
    ),
    Figure(
        key="campaigns_joined",
        name=gettext_noop("Campaigns taken part in"),
        unit="participations",
        formula="Promotion Joined, Coupon Claimed and Coupon Redeemed events that name a campaign, each a day once",
    ),
)

SEGMENTS: tuple[Segment, ...] = (
    Segment(
        key="purchasing_power",
        name=gettext_noop("Purchasing power"),
        formula="quarter of the users, by spend per active month",
        values=(
            gettext_noop("lowest quarter"),
            gettext_noop("second quarter"),
            gettext_noop("third quarter"),
            gettext_noop("highest quarter"),
        ),
    ),
    Segment(
        key="price_sensitivity",
        name=gettext_noop("Price sensitivity"),
        formula="orders with money off: below a third, up to two thirds, above",
        values=(gettext_noop("low"), gettext_noop("middle"), gettext_noop("high")),
    ),
    Segment(
        key="rhythm",
        name=gettext_noop("Rhythm of shopping"),
        formula="days between orders: up to 10, up to 45, more; or one order only",
        values=(gettext_noop("weekly"), gettext_noop("monthly"), gettext_noop("seldom"), gettext_noop("one order")),
    ),
    Segment(
        key="interest",
        name=gettext_noop("Main interest"),
        formula="the category with the largest share of interest, of the ten that most users have; or other",
    ),
    Segment(
        key="campaign",
        name=gettext_noop("Favourite type of campaign"),
        formula="the type with most participations, of the ten that most users have; or other",
    ),
)

# The segment of users without a profile or without what the segment needs, and of those whose value is not common.
NONE, OTHER = gettext_noop("none"), gettext_noop("other")
