"""What the platform's own events say for strategies."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from experiments.contracts import PlannedArm, Role
from experiments.services import lifecycle
from experiments.services.lifecycle import Draft
from recommenders.contracts import Interactions, Kind
from recommenders.errors import InvalidData
from winnow.catalog.interactions import PARTLY_SIMULATED, Source, load, named, read
from winnow.catalog.models import Item
from winnow.events.compaction import compact
from winnow.events.ingest import ingest

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def lake_folder(settings, tmp_path):
    settings.LAKE = tmp_path / "lake"


def send(*acts: tuple[str, str, str, dict[str, object]]) -> None:
    """Events, each a (minute, user, name, properties)."""
    events = [
        {
            "event": name,
            "messageId": f"{minute}-{user}-{place}",
            "userId": user,
            "timestamp": f"2026-05-04T11:{minute}:00Z",
            "properties": properties,
        }
        for place, (minute, user, name, properties) in enumerate(acts)
    ]
    assert not ingest(events, received_at=datetime(2026, 5, 4, 12, tzinfo=UTC)).rejections
    compact()


def acts(data: Interactions) -> list[tuple[str, str, Kind]]:
    """(user, item, kind), sorted by user and time."""
    rows = zip(data.users.tolist(), data.items.tolist(), data.kinds.tolist(), strict=True)
    return [(data.user_ids[user], data.catalogue.ids[item], Kind(kind)) for user, item, kind in rows]


PAID = {"value": 100, "currency": "EUR"}


def test_events_are_acts_of_users_with_items_in_the_order_of_time():
    send(
        ("05", "ann", "Order Completed", {"item_id": "b", **PAID}),
        ("01", "ann", "Product Viewed", {"item_id": "a"}),
        ("02", "ann", "Promotion Clicked", {"item_id": "b"}),
        ("03", "ann", "Product Added to Wishlist", {"item_id": "a"}),
        ("04", "ann", "Product Added", {"item_id": "b"}),
        ("00", "ann", "Promotion Viewed", {"item_id": "a"}),
        ("06", "bob", "Coupon Redeemed", {"item_id": "c"}),
        ("07", "bob", "Promotion Joined", {"item_id": "a"}),
    )
    data = load("lake")
    assert acts(data) == [
        ("ann", "a", Kind.VIEW),
        ("ann", "b", Kind.CLICK),
        ("ann", "a", Kind.FAVOURITE),
        ("ann", "b", Kind.FAVOURITE),
        ("ann", "b", Kind.PURCHASE),
        ("bob", "c", Kind.PURCHASE),
        ("bob", "a", Kind.PURCHASE),
    ]
    assert data.times[0] == datetime(2026, 5, 4, 11, 1, tzinfo=UTC).timestamp()
    assert data.catalogue.features == frozenset()


def test_an_order_is_of_each_of_its_products():
    send(("01", "ann", "Order Completed", {"products": [{"product_id": "x"}, {"product_id": "y"}], **PAID}))
    assert acts(load("lake")) == [("ann", "x", Kind.PURCHASE), ("ann", "y", Kind.PURCHASE)]


def test_what_is_left_out_is_counted_and_features_come_from_the_catalogue():
    Item.objects.create(item_id="b", text="bread", category="food", price=2.5, tags=["fresh"])
    Item.objects.create(item_id="a", text="", category="", price=None)
    send(
        ("01", "ann", "Product Viewed", {"item_id": "a"}),
        ("01", "ann", "Product Viewed", {"item_id": "a"}),  # the same moment: sent twice
        ("02", "ann", "Product Viewed", {"item_id": "a"}),
        ("03", "ann", "Product Viewed", {}),
        ("04", "bob", "Product Viewed", {"item_id": "gone"}),
    )
    found = read(Source(name="lake"))
    assert len(found.data) == 2
    assert found.data.user_ids == ("ann",)
    assert {name: count for name, count in found.notes.items() if name != "lake_version"} == {
        "events_without_item": 1,
        "events_of_unknown_items": 1,
        "repeated_events": 1,
    }
    items = found.data.catalogue
    assert (items.ids, items.texts, items.category_names) == (("a", "b"), ("", "bread"), ("food",))
    assert items.categories.tolist() == [-1, 0]
    assert (items.tags, items.prices[1]) == (((), ("fresh",)), 2.5)


def test_a_version_of_the_lake_stays_what_it_was():
    send(("01", "ann", "Product Viewed", {"item_id": "a"}))
    first = read(Source(name="lake"))
    send(("02", "ann", "Product Viewed", {"item_id": "a"}))
    assert len(load("lake")) == 2
    assert len(read(Source(name="lake", lake_version=first.notes["lake_version"])).data) == 1


def test_what_happens_from_a_moment_on_is_not_seen():
    send(("01", "ann", "Product Viewed", {"item_id": "a"}), ("02", "ann", "Product Viewed", {"item_id": "b"}))
    for until in ("2026-05-04T11:02:00Z", "2026-05-04T11:02"):
        found = read(Source(name="lake", until=until))
        assert acts(found.data) == [("ann", "a", Kind.VIEW)]
        assert found.notes["events_from_then_on"] == 1
    with pytest.raises(InvalidData, match="until: nothing happened before 2026-05-04"):
        read(Source(name="lake", until="2026-05-04"))
    with pytest.raises(InvalidData, match="until: 'soon' must be a date"):
        read(Source(name="lake", until="soon"))


def test_nothing_to_learn_from_is_said():
    with pytest.raises(InvalidData, match="the lake has no events"):
        load("lake")
    send(("01", "ann", "Product Viewed", {}))
    with pytest.raises(InvalidData, match="1 events name no item"):
        load("lake")


@pytest.mark.parametrize("name", ["/etc/passwd", "events.csv", "", "LAKE"])
def test_a_name_is_never_taken_for_a_path(name):
    with pytest.raises(InvalidData, match="must be one of lake, complete-journey"):
        named(name)
    with pytest.raises(InvalidData, match="must be one of lake, complete-journey"):
        load(name)


def test_what_is_read_says_where_from_what_was_left_out_and_whether_it_was_simulated():
    send(("01", "ann", "Product Viewed", {"item_id": "a"}), ("02", "ann", "Product Viewed", {}))
    found = read(named("lake"))
    assert found.record["source"] == found.name == f"lake@{found.notes['lake_version']}"
    assert found.remarks == ("Left out: 1 events without item.",)
    arms = (PlannedArm(key="control"), PlannedArm(key="treatment"))
    lifecycle.create(Draft(key="exp", name="exp", arms=arms, metrics=(("ctr", Role.PRIMARY),), simulated=True))
    simulated = read(named("lake"))
    assert simulated.remarks == (*found.remarks, PARTLY_SIMULATED)
    assert simulated.record["simulated"] == "yes"
