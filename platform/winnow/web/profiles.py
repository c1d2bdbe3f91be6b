"""Profiles: how the figures are distributed over users, and one user or item with what it did last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from experiments import figures
from experiments.contracts import Scale
from experiments.selectors import simulated_keys
from recommenders.contracts import Kind
from recommenders.profiles.computation import HISTORIES, Summary
from recommenders.profiles.distributions import Distribution, Shares
from recommenders.profiles.figures import SEGMENTS, USER_FIGURES, Figure
from recommenders.profiles.histories import Histories
from winnow.accounts.access import requires
from winnow.accounts.roles import Permission
from winnow.catalog.features import Record, find_item, find_user
from winnow.catalog.models import ProfileVersion
from winnow.catalog.profiles import folder_of, newest_version, summary_of
from winnow.jobs.profiles import latest_profile_job, request_profiles
from winnow.web.progress import describe
from winnow.web.request import PageRequest

ACTS: dict[int, Promise] = {
    Kind.VIEW: _("viewed"),
    Kind.CLICK: _("clicked"),
    Kind.FAVOURITE: _("kept or put into the cart"),
    Kind.PURCHASE: _("bought"),
    Kind.RATING: _("rated"),
}
WEEKDAYS = (_("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday"))
ITEM_COUNTS: dict[str, Promise] = {
    "impressions": _("Impressions"),
    "views": _("Product views"),
    "clicks": _("Clicks"),
    "favourites": _("Favourites"),
    "purchases": _("Times bought"),
    "buyers": _("Buyers"),
    "recent_buyers": _("Buyers in the last 28 days"),
    "earlier_buyers": _("Buyers in the 28 days before"),
}
BAR = 20  # width of a bar of a histogram in the picture's units; the tallest is 100 high
SHOWN = 12  # segments of a kind that the overview lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of a picture: where it stands or how long it is, of 100, and what it says."""

    label: str
    place: int
    size: float
    figure: str

    @property
    def top(self) -> float:
        """Where a standing bar begins, from above."""
        return 100 - self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One distribution over users."""

    name: str
    bars: tuple[Bar, ...]
    note: str


@requires(Permission.VIEW)
@require_safe
def profiles(request: PageRequest) -> HttpResponse:
    """The overview of the newest version."""
    version, job = newest_version(), latest_profile_job()
    summary = summary_of(version) if version else None
    context: dict[str, object] = {
        "version": version,
        "simulated": bool(simulated_keys()),
        "summary": summary,
        "job": describe(job) if job else None,
        "may_run": request.user.may(Permission.RUN_EXPERIMENTS),
        "segments": [_shares(one) for one in summary.shares] if summary else (),
        "figures": [_histogram(one, summary) for one in summary.distributions] if summary else (),
    }
    return render(request, "profiles.html", context)


@requires(Permission.RUN_EXPERIMENTS)
@require_POST
def refresh(request: PageRequest) -> HttpResponse:
    """Ask for new profiles."""
    request_profiles(requested_by=request.user.username)
    return redirect("profiles")


@requires(Permission.RUN_EXPERIMENTS)  # what one person did is not for everybody who may read a report
@require_safe
def user(request: PageRequest) -> HttpResponse:
    """One user, by ``?id=``."""
    user_id, version = request.GET.get("id", "").strip(), newest_version()
    record = find_user(version, user_id) if version else None
    context: dict[str, object] = _context(user_id, version, record)
    if version and record:
        context |= _user_context(version, user_id, record)
    return render(request, "profiles/user.html", context, status=200 if record else 404)


@requires(Permission.VIEW)
@require_safe
def item(request: PageRequest) -> HttpResponse:
    """One item, by ``?id=``."""
    item_id, version = request.GET.get("id", "").strip(), newest_version()
    record = find_item(version, item_id) if version else None
    context: dict[str, object] = _context(item_id, version, record)
    if record:
        context["counts"] = [(name, _number(record[key])) for key, name in ITEM_COUNTS.items()]
        context["band"] = gettext(str(record["price_band"])) if record["price_band"] else ""
        context["promotion_share"] = _share(record["promotion_share"])
        context["trend"] = figures.ABSENT if record["trend"] is None else f"× {float(str(record['trend'])):.2f}"
    return render(request, "profiles/item.html", context, status=200 if record else 404)


def _context(name: str, version: ProfileVersion | None, record: Record | None) -> dict[str, object]:
    return {"id": name, "version": version, "record": record, "simulated": bool(simulated_keys())}


def _user_context(version: ProfileVersion, user_id: str, record: Record) -> dict[str, object]:
    summary = summary_of(version)
    history = Histories(folder_of(version) / HISTORIES).find(user_id)
    acts = zip(history.items, history.times, history.kinds, strict=True) if history else ()
    weekday, hour = record["favourite_weekday"], record["favourite_hour"]
    return {
        "figures": [(gettext(one.name), write(one, record[one.key], summary)) for one in USER_FIGURES],
        "segments": [(gettext(one.name), segment_name(record[f"segment_{one.key}"])) for one in SEGMENTS],
        "interests": [
            Bar(label=str(one["name"]), place=0, size=100 * float(str(one["share"])), figure=_share(one["share"]))
            for one in _records(record["interests"])
        ],
        "campaigns": [(str(one["name"]), _number(one["times"])) for one in _records(record["campaigns"])],
        "weekday": WEEKDAYS[int(str(weekday)) - 1] if weekday else figures.ABSENT,
        "hour": figures.ABSENT if hour is None else f"{int(str(hour)):02}:00",
        "zone": summary.zone,
        "acts": [
            {"item": what, "when": datetime.fromtimestamp(when, tz=UTC), "did": ACTS.get(kind, str(kind))}
            for what, when, kind in reversed(list(acts))
        ],
    }


def segment_name(name: object) -> str:
    """A segment in the language of the page; categories keep their own names."""
    return gettext(str(name)) if name else ""


def write(figure: Figure, value: object, summary: Summary) -> str:
    """A figure the way people write it, by its unit."""
    if value is None:
        return figures.ABSENT
    number = float(str(value))
    if figure.unit == "minor units":
        return figures.value(round(number), Scale.MONEY, summary.currency)
    if figure.unit == "share":
        return _share(number)
    return f"{number:,.1f}" if figure.unit == "days" else figures.count(round(number))


def _shares(shares: Shares) -> Picture:
    users = sum(n for _, n in shares.users)
    kind = next(one for one in SEGMENTS if one.key == shares.segment)
    order = {value: place for place, value in enumerate(kind.values)}
    shown = sorted(shares.users[:SHOWN], key=lambda row: order.get(row[0], len(order)))
    return Picture(
        name=gettext(kind.name),
        bars=tuple(
            Bar(label=segment_name(segment), place=0, size=100 * n / users if users else 0, figure=figures.count(n))
            for segment, n in shown
        ),
        note="profile." + shares.segment,
    )


def _histogram(one: Distribution, summary: Summary) -> Picture:
    figure = next(figure for figure in USER_FIGURES if figure.key == one.figure)
    low, median, high = (write(figure, value, summary) for value in (one.low, one.median, one.high))
    most = max(one.bins)
    return Picture(
        name=gettext(figure.name),
        bars=tuple(
            Bar(label="", place=place * BAR, size=100 * n / most, figure=figures.count(n))
            for place, n in enumerate(one.bins)
        ),
        note=gettext("%(low)s to %(high)s, median %(median)s (%(users)s users)")
        % {"low": low, "high": high, "median": median, "users": figures.count(one.users)},
    )


def _records(value: object) -> Sequence[Mapping[str, object]]:
    return value if isinstance(value, list) else ()


def _number(value: object) -> str:
    return figures.count(int(str(value)))


def _share(value: object) -> str:
    return figures.ABSENT if value is None else f"{100 * float(str(value)):.0f}%"
