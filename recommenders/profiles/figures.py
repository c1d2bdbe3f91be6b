"""Every figure of a profile: what it is called, its unit, and how it is computed. docs/profiles.md lists them all."""

from __future__ import annotations

from dataclasses import dataclass


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
    Figure(key="events", name="Events", unit="events", formula="all events of the user"),
    Figure(key="views", name="Product views", unit="acts", formula="acts of the kind view"),
    Figure(key="clicks", name="Clicks", unit="acts", formula="acts of the kind click"),
    Figure(key="favourites", name="Favourites", unit="acts", formula="acts of the kind favourite"),
    Figure(key="purchases", name="Items bought", unit="acts", formula="acts of the kind purchase"),
    Figure(key="orders", name="Orders", unit="orders", formula="Order Completed events"),
    Figure(
        key="spend",
        name="Spend",
        unit="minor units",
        formula="Σ value of orders − Σ value of refunds, in the main currency",
    ),
    Figure(
        key="spend_per_month",
        name="Spend per active month",
        unit="minor units",
        formula="spend ÷ number of calendar months with an order",
    ),
    Figure(key="median_order", name="Median order", unit="minor units", formula="median value of the orders"),
    Figure(
        key="deal_share",
        name="Orders with money off",
        unit="share",
        formula="orders with a coupon or a discount ÷ orders",
        scale=1000,
    ),
    Figure(
        key="price_level",
        name="Price level",
        unit="share",
        formula="mean over the items bought of the share of the category's items that cost less, ties half",
        scale=1000,
    ),
    Figure(
        key="order_gap_days",
        name="Days between orders",
        unit="days",
        formula="median of the days between an order and the next; from two orders on",
        scale=100,
    ),
    Figure(
        key="days_since_last",
        name="Days since the last act",
        unit="days",
        formula="days from the last act with an item, or order, to the moment of the profile",
        scale=100,
    ),
    Figure(
        key="tenure_days",
        name="Days since the first event",
        unit="days",
        formula="days from the first event to the moment of the profile",
        scale=100,
    ),
    Figure(
        key="campaigns_joined",
        name="Campaigns taken part in",
        unit="participations",
        formula="Promotion Joined, Coupon Claimed and Coupon Redeemed events that name a campaign, each a day once",
    ),
)

SEGMENTS: tuple[Segment, ...] = (
    Segment(
        key="purchasing_power",
        name="Purchasing power",
        formula="quarter of the users, by spend per active month",
        values=("lowest quarter", "second quarter", "third quarter", "highest quarter"),
    ),
    Segment(
        key="price_sensitivity",
        name="Price sensitivity",
        formula="orders with money off: below a third, up to two thirds, above",
        values=("low", "middle", "high"),
    ),
    Segment(
        key="rhythm",
        name="Rhythm of shopping",
        formula="days between orders: up to 10, up to 45, more; or one order only",
        values=("weekly", "monthly", "seldom", "one order"),
    ),
    Segment(
        key="interest",
        name="Main interest",
        formula="the category with the largest share of interest, of the ten that most users have; or other",
    ),
    Segment(
        key="campaign",
        name="Favourite type of campaign",
        formula="the type with most participations, of the ten that most users have; or other",
    ),
)

NONE = "none"  # the segment of users without a profile, or without what the segment needs
