"""What an offline evaluation measures, in words that explain it, and how its figures are written."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from experiments.figures import ABSENT
from recommenders.offline.list_metrics import LISTS
from recommenders.offline.ranking_metrics import ACCURACY
from recommenders.offline.rating_metrics import RATING

NAMES: dict[str, str | Promise] = {
    "ndcg": "NDCG",
    "recall": _("Recall"),
    "precision": _("Precision"),
    "mrr": "MRR",
    "map": "MAP",
    "hit_rate": _("Hit rate"),
    "rmse": "RMSE",
    "mae": "MAE",
    "coverage": _("Coverage"),
    "novelty": _("Novelty"),
    "diversity_category": _("Diversity of categories"),
    "diversity_tags": _("Diversity of tags"),
    "popularity": _("Popularity bias"),
    "gini": _("Gini"),
    "cold_share": _("Cold items shown"),
}

EXPLANATIONS: dict[str, Promise] = {
    "ndcg": _(
        "How much of what the user did later is in the list, and how far up: 1 is everything in the first places,"
        " 0 is nothing. An item further down counts less."
    ),
    "recall": _("The share of what the user took later that is in the list."),
    "precision": _("The share of the list that the user took later."),
    "mrr": _("1 divided by the place of the first item that the user took: 1 is the first place, 0.5 the second."),
    "map": _("The share of right items down to each right one, added up over what was to be found. 1 is perfect."),
    "hit_rate": _("The share of users whose list holds at least one item that they took later."),
    "rmse": _("How far predicted ratings are from those given; large errors weigh more. Lower is better."),
    "mae": _("How far predicted ratings are from those given, on average. Lower is better."),
    "coverage": _("The share of the catalogue that is in anybody's list. Low: everybody sees the same few items."),
    "novelty": _("How unknown the shown items are, in bits: each bit more is half as many users who took an item."),
    "diversity_category": _("The share of pairs of items in a list that are of different categories."),
    "diversity_tags": _("How little the tags of two items in a list have in common, on average: 0 nothing differs."),
    "popularity": _(
        "How popular the shown items are among all items: 1 are the most popular ones, 0.5 is the middle. High: the"
        " list repeats what everybody buys."
    ),
    "gini": _("How unequally items are shown: 0 is all alike, 1 is one item for everybody."),
    "cold_share": _("The share of shown items that nobody had taken before the evaluation began."),
}

GROUPS: tuple[tuple[Promise, tuple[str, ...]], ...] = (
    (_("Accuracy"), ACCURACY),
    (_("Coverage, novelty, diversity, popularity"), tuple(name for name in NAMES if name in LISTS)),
    (_("Rating error"), RATING),
)

# Why a measure is missing where no strategy has it.
MISSING: dict[str, Promise] = {
    "rmse": _("The data has no ratings, or no strategy here predicts them."),
    "mae": _("The data has no ratings, or no strategy here predicts them."),
    "diversity_category": _("The items of the data have no categories."),
    "diversity_tags": _("The items of the data have no tags."),
}

SLICES: dict[str, tuple[Promise, Promise]] = {
    "all": (_("All"), _("Everybody who has something to find.")),
    "light users": (_("Light users"), _("Users whose history is no longer than the median.")),
    "heavy users": (_("Heavy users"), _("Users whose history is longer than the median.")),
    "cold users": (_("Cold users"), _("Users without any history.")),
    "new items": (_("New items"), _("Only items that the user had not taken are ranked and to be found.")),
    "repeat items": (_("Repeat items"), _("Only items that the user had taken are ranked and to be found.")),
    "cold items": (_("Cold items"), _("Items that nobody had taken are to be found, among all items.")),
    "cold items apart": (_("Cold items apart"), _("Items that nobody had taken, ranked among themselves.")),
}


def number(value: float, sign: str = "") -> str:
    """A figure with four decimals, two where it is large.

    >>> number(0.20614), number(17.257), number(-0.0123, "+"), number(float("nan"))
    ('0.2061', '17.26', '-0.0123', '–')
    """
    if not math.isfinite(value):
        return ABSENT
    return f"{value:{sign}.2f}" if abs(value) >= 10 else f"{value:{sign}.4f}"


def interval(low: float, high: float, sign: str = "") -> str:
    """An interval in brackets, nothing where there is none.

    >>> interval(0.1, 0.2), interval(float("nan"), float("nan"))
    ('[0.1000, 0.2000]', '')
    """
    return "" if math.isnan(low) else f"[{number(low, sign)}, {number(high, sign)}]"


def seconds(value: float) -> str:
    """A time in seconds.

    >>> seconds(0.032), seconds(16.4), seconds(1900.0)
    ('0.03 s', '16 s', '1,900 s')
    """
    if not math.isfinite(value):
        return ABSENT
    return f"{value:.2f} s" if value < 10 else f"{value:,.0f} s"


def day_of(moment: int) -> str:
    """The day and time of a moment in seconds since 1970; the moment itself where it is no such time."""
    try:
        when = datetime.fromtimestamp(moment, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return str(moment)
    return date_format(when, gettext("j M Y, H:i")) + " UTC"
