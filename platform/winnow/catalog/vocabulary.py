"""What an event of the vocabulary means for a strategy: the kind of act it is."""

from __future__ import annotations

from collections.abc import Mapping

from recommenders.contracts import Kind

# An impression is no act: the user was shown something and did nothing.
ACT_KINDS: Mapping[str, Kind] = {
    "Product Viewed": Kind.VIEW,
    "Promotion Clicked": Kind.CLICK,
    "Product Added to Wishlist": Kind.FAVOURITE,
    "Product Added": Kind.FAVOURITE,
    "Coupon Claimed": Kind.FAVOURITE,
    "Promotion Joined": Kind.PURCHASE,
    "Coupon Redeemed": Kind.PURCHASE,
    "Order Completed": Kind.PURCHASE,
}
