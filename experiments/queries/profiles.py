"""The ``profiles`` relation beside ``events``: what was known of a user before the experiment. docs/queries.md.

One row per user that has a profile: ``user_id``, the figures as whole numbers or NULL, the segments as texts. These are
all the columns that a query may name.
"""

from __future__ import annotations

PREFIX = "profile."  # of the names of segments that come from profiles
NONE = "none"  # the segment of units without a profile

FIGURES: dict[str, str] = {
    "events": "Events",
    "views": "Product views",
    "clicks": "Clicks",
    "favourites": "Favourites",
    "purchases": "Items bought",
    "orders": "Orders",
    "spend": "Spend",
    "spend_per_month": "Spend per active month",
    "median_order": "Median order",
    "deal_share": "Orders with money off",
    "price_level": "Price level",
    "order_gap_days": "Days between orders",
    "days_since_last": "Days since the last act",
    "tenure_days": "Days since the first event",
    "campaigns_joined": "Campaigns taken part in",
}
SEGMENTS = ("purchasing_power", "price_sensitivity", "rhythm", "interest", "campaign")


def segment_column(name: str) -> str | None:
    """The column of a segment that comes from profiles; None of any other, which is a property of the exposure."""
    column = name.removeprefix(PREFIX)
    return column if name.startswith(PREFIX) and column in SEGMENTS else None


def covariate_columns(figures: tuple[str, ...]) -> tuple[str, ...]:
    """The SQL of the covariates: each figure, 0 where it is not known, and whether it is not known.

    In a randomised experiment that keeps the estimate unbiased whatever the reason that it is not known: A. Zhao,
    P. Ding (2024), To adjust or not to adjust? Estimating the average treatment effect in randomized experiments with
    missing covariates, Journal of the American Statistical Association 119, 450-460.
    """
    columns: list[str] = []
    for figure in figures:
        name = column_name(figure)
        columns += [f"COALESCE({name}, 0)", f"CASE WHEN {name} IS NULL THEN 1 ELSE 0 END"]
    return tuple(columns)


def covariate_labels(figures: tuple[str, ...]) -> tuple[str, ...]:
    """What people call those columns, in the same order."""
    return tuple(
        label
        for figure in figures
        for label in (f"{FIGURES[figure]} (profile)", f"{FIGURES[figure]} unknown (profile)")
    )


def column_name(figure: str) -> str:
    """The column of a figure in the steps of a query."""
    if figure not in FIGURES:
        raise KeyError(figure)
    return f"profile_{figure}"
