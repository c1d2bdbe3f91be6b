"""What events are made of is noted, in bounds, and nothing is dropped for it."""

from __future__ import annotations

import pytest

from winnow.events import drift
from winnow.events.compaction import compact
from winnow.events.ingest import ingest
from winnow.events.models import SeenProperty

from .conftest import NOW, raw_event

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("lake_folder")]


def bring(*events: dict[str, object]) -> None:
    assert not ingest(events, received_at=NOW).rejections
    compact()


def notes() -> dict[tuple[str, str], int]:
    return {(row.property, row.type): row.count for row in SeenProperty.objects.filter(event="Gift Wrapped")}


def gift(number: int, **properties: object) -> dict[str, object]:
    return raw_event(number, event="Gift Wrapped", properties=properties)


def test_names_and_properties_are_counted_by_type():
    bring(gift(1, paper="red", n=1, price=1.5, ok=True, none=None, list=[], object={"a": 1}), gift(2, paper="blue"))
    assert notes() == {
        ("", ""): 2,
        ("paper", "text"): 2,
        ("n", "whole number"): 1,
        ("price", "number"): 1,
        ("ok", "true or false"): 1,
        ("none", "null"): 1,
        ("list", "list"): 1,
        ("object", "object"): 1,
    }


def test_a_type_that_changes_stands_beside_the_old_one_and_both_add_up():
    bring(gift(1, paper="red"))
    bring(gift(2, paper=7), gift(3, paper="blue"))
    assert notes() == {("", ""): 3, ("paper", "text"): 2, ("paper", "whole number"): 1}


def test_a_message_that_comes_again_is_not_counted_again():
    bring(gift(1, paper="red"))
    bring(gift(1, paper="red"))
    assert notes()["", ""] == 1


def test_names_that_somebody_makes_up_are_bounded(monkeypatch):
    monkeypatch.setattr(drift, "MOST_NOTES", 4)
    bring(*(raw_event(number, event=f"made up {number}") for number in range(10)))
    bring(raw_event(20, event="another"))
    assert SeenProperty.objects.count() == 4


def test_names_are_what_clients_send_whatever_it_is():
    odd = 'a"b.c$[0] 优惠 ' + "x" * 300
    bring(gift(1, **{odd: 1, "": 2}))
    assert notes() == {("", ""): 1, (odd[:200], "whole number"): 1}
