"""What events are made of: known and unknown names, their properties and types, and since when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from winnow.accounts.access import requires
from winnow.accounts.roles import Permission
from winnow.events.drift import MOST_NOTES
from winnow.events.models import SeenProperty
from winnow.events.schema import KINDS
from winnow.web.request import PageRequest

NEW_DAYS = 7
TYPES: dict[str, str | Promise] = {
    "text": _("text"),
    "whole number": _("whole number"),
    "number": _("number"),
    "true or false": _("true or false"),
    "list": _("list"),
    "object": _("object"),
    "null": _("nothing"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeRow:
    """A type of a property in words, and how often it came."""

    type: str
    words: str | Promise
    count: int


@dataclass(slots=True)
class PropertyRow:
    """A property and its types; more than one is a change that somebody should know of."""

    name: str
    types: list[TypeRow]
    is_new: bool

    @property
    def changes_type(self) -> bool:
        """Whether it came with types that do not mean the same; null means nothing, whole numbers are numbers."""
        return len({"number" if seen.type == "whole number" else seen.type for seen in self.types} - {"null"}) > 1


@dataclass(slots=True)
class NameRow:
    """A name of events with its properties."""

    name: str
    is_known: bool
    is_new: bool
    seen: SeenProperty | None
    properties: list[PropertyRow]


@requires(Permission.VIEW)
@require_safe
def vocabulary(request: PageRequest) -> HttpResponse:
    """Every name that came, unknown ones first."""
    seen = SeenProperty.objects.order_by("event", "property", "-count")
    rows = name_rows(seen, since=timezone.now() - timedelta(days=NEW_DAYS))
    context = {"rows": rows, "new_days": NEW_DAYS, "full": len(seen) >= MOST_NOTES, "most": MOST_NOTES}
    return render(request, "events/vocabulary.html", context)


def name_rows(seen: Iterable[SeenProperty], *, since: datetime) -> list[NameRow]:
    """Names of the notes, unknown ones first; what came first after ``since`` is new. ``seen`` must be sorted.

    Where everything is new, nothing is marked: the installation is.
    """
    seen = list(seen)
    if seen and min(one.first_at for one in seen) > since:
        since = max(one.first_at for one in seen)
    return sorted(
        (_name_row(name, list(rows), since) for name, rows in groupby(seen, attrgetter("event"))),
        key=lambda row: (row.is_known, row.name),
    )


def _name_row(name: str, rows: list[SeenProperty], since: datetime) -> NameRow:
    parts = {part: list(types) for part, types in groupby(rows, attrgetter("property"))}
    own = parts.pop("", [])
    return NameRow(
        name=name,
        is_known=name in KINDS,
        is_new=bool(own) and own[0].first_at > since,
        seen=own[0] if own else None,
        properties=[
            PropertyRow(
                name=part, types=[_type_row(one) for one in types], is_new=min(one.first_at for one in types) > since
            )
            for part, types in parts.items()
        ],
    )


def _type_row(seen: SeenProperty) -> TypeRow:
    return TypeRow(type=seen.type, words=TYPES.get(seen.type, seen.type), count=seen.count)
