"""Profiles for programs: one user or item of the newest version."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Schema, Status

from winnow.accounts.models import Scope
from winnow.accounts.roles import Permission
from winnow.api.authentication import KeyWithScope, PersonWith
from winnow.catalog.features import Record, find_item, find_user
from winnow.catalog.histories import histories
from winnow.catalog.models import ProfileVersion
from winnow.catalog.profiles import newest_version, summary_of

router = Router()

PERSONAL = [PersonWith(Permission.RUN_EXPERIMENTS), KeyWithScope(Scope.READ)]


class Version(Schema):
    """What the profile was computed from; ``until`` is the moment before which events count."""

    lake_version: int
    until: datetime
    code_version: str
    computed_at: datetime


class Act(Schema):
    """One act: the item, seconds since 1970, and 0 view, 1 click, 2 favourite, 3 purchase, 4 rating."""

    item_id: str
    time: int
    kind: int


class UserProfile(Schema):
    """Figures and segments by their keys (docs/profiles.md); money in minor units of ``currency``."""

    version: Version
    currency: str
    profile: dict[str, object]
    history: list[Act]


class ItemProfile(Schema):
    """The item's figures by their keys (docs/profiles.md); ``price`` in major units."""

    version: Version
    profile: dict[str, object]


class Missing(Schema):
    """Why there is no profile."""

    code: str
    message: str


@router.get(
    "/profiles/user", auth=PERSONAL, response={200: UserProfile, 404: Missing}, summary="The profile of one user"
)
def user_profile(request: HttpRequest, id: str) -> Status[object]:
    """What is known of a user, with the last 50 acts, oldest first."""
    version = newest_version()
    record = find_user(version, id) if version else None
    if version is None or record is None:
        return _missing("user", id)
    history = histories([id]).get(id)
    acts = zip(history.items, history.times, history.kinds, strict=True) if history else ()
    return Status(
        200,
        {
            "version": _version(version),
            "currency": summary_of(version).currency,
            "profile": dict(record),
            "history": [{"item_id": what, "time": when, "kind": kind} for what, when, kind in acts],
        },
    )


@router.get("/profiles/item", response={200: ItemProfile, 404: Missing}, summary="The profile of one item")
def item_profile(request: HttpRequest, id: str) -> Status[object]:
    """What is known of an item."""
    version = newest_version()
    record: Record | None = find_item(version, id) if version else None
    if version is None or record is None:
        return _missing("item", id)
    return Status(200, {"version": _version(version), "profile": dict(record)})


def _version(version: ProfileVersion) -> Version:
    return Version.model_validate(version, from_attributes=True)


def _missing(what: str, name: str) -> Status[object]:
    return Status(404, {"code": f"unknown_{what}", "message": f"there is no profile of the {what} {name!r}"})
