"""A simulated experiment with groceries: lists by real strategies, shown to households that shop as they did.

What the households bought in the last four weeks is in the data (Complete Journey, simulated from real patterns); that
somebody showed them lists, what they clicked and what they forgot is made up here. The strategies learnt from before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zlib import crc32

import duckdb
import numpy as np

from experiments.contracts import PlannedArm, Role, Stopping
from experiments.services.lifecycle import Draft
from recommenders.contracts import Interactions
from recommenders.data.complete_journey import load_complete_journey, tables
from winnow.demo.openbandit import Event

KEY = "simulated-grocery-lists"
SURFACE = "grocery-home"
START = datetime(2017, 12, 4, tzinfo=UTC)
STOP = datetime(2018, 1, 2, tzinfo=UTC)
CONTROL, TREATMENTS = "recent-popularity", ("user-frequency", "item-knn")
STRATEGIES = (CONTROL, *TREATMENTS)
SEED = 20171204
LIST = 6  # items
HISTORY = 50  # purchases that a request carries
BEFORE = timedelta(minutes=30)  # a household looks at the list that long before it pays
SEEN = 0.92  # of those who see a slot, the share that also sees the next
CLICK_WANTED, CLICK_OTHER = 0.5, 0.02  # chance to click what is on one's shopping list, and anything else
FORGOTTEN = 0.3  # share of the shopping list that is forgotten, unless it was clicked
EXPLORATION = 0.1

VISITS = """
SELECT household_id, min(epoch(transaction_timestamp))::BIGINT AS moment,
    list(product_id ORDER BY product_id) AS products,
    list(round(sales_value * 100)::BIGINT ORDER BY product_id) AS cents
FROM read_parquet($transactions) WHERE quantity > 0 AND transaction_timestamp >= $start
GROUP BY household_id, basket_id ORDER BY moment, household_id, basket_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A household that is about to buy: ``wanted`` says for how many cents of which products."""

    household: str
    at: datetime
    wanted: Mapping[str, int]
    history: tuple[tuple[str, int], ...]  # what it bought before and when, oldest first

    @property
    def key(self) -> str:
        """Which visit it is."""
        return f"{self.household}-{self.at:%Y%m%d%H%M%S}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The list that the platform answered with."""

    ranking_id: str
    arm: str
    items: tuple[str, ...]


def draft(versions: Mapping[str, str]) -> Draft:
    """The experiment, its arms at these versions of the strategies."""
    return Draft(
        key=KEY,
        name="Shopping list reminders (simulated)",
        hypothesis="Lists made for a household remind it of more than lists of what everybody buys.",
        arms=tuple(
            PlannedArm(key=key, strategy=f"{key}@{versions[key]}", exploration=EXPLORATION) for key in STRATEGIES
        ),
        metrics=(
            ("ctr", Role.PRIMARY),
            ("revenue", Role.SECONDARY),
            ("average-order-value", Role.SECONDARY),
        ),
        currency="USD",
        planned_start=START,
        planned_end=STOP,
        stopping=Stopping.ONCE,
        simulated=True,
    )


def visits(folder: Path) -> Iterator[list[Visit]]:
    """The visits of each day in the order of time, the first one of each household."""
    data = load_complete_journey(folder)
    code = {household: place for place, household in enumerate(data.user_ids)}
    days: dict[date, dict[str, Visit]] = defaultdict(dict)
    for household, moment, products, cents in _baskets(folder):
        at = datetime.fromtimestamp(moment, UTC) - BEFORE
        if household not in days[at.date()]:
            days[at.date()][household] = Visit(
                household=f"household-{household}",
                at=at,
                wanted=dict(zip(products, cents, strict=True)),
                history=_history(data, code[household], moment),
            )
    for day in sorted(days):
        yield list(days[day].values())


def _baskets(folder: Path) -> Iterator[tuple[str, int, list[str], list[int]]]:
    with duckdb.connect() as connection:
        parameters = {
            "transactions": str(tables(folder)["transactions"]),
            "start": (START + BEFORE).replace(tzinfo=None),
        }
        for household, moment, products, cents in connection.execute(VISITS, parameters).fetchall():
            yield str(household), int(moment), list(map(str, products)), cents


def _history(data: Interactions, household: int, moment: int) -> tuple[tuple[str, int], ...]:
    begin, end = data.offsets[household], data.offsets[household + 1]
    end = begin + np.searchsorted(data.times[begin:end], moment)
    begin = max(begin, end - HISTORY)
    ids = data.catalogue.ids
    return tuple((ids[item], int(at)) for item, at in zip(data.items[begin:end], data.times[begin:end], strict=True))


def question(day: Sequence[Visit]) -> dict[str, object]:
    """What the shop asks of ``POST /api/v1/recommendations`` for these visits."""
    return {
        "experiment": KEY,
        "surface": SURFACE,
        "k": LIST,
        "exclude_history": False,  # groceries are bought again
        "expose": True,
        "users": [
            {
                "user_id": visit.household,
                "timestamp": visit.at.isoformat(),
                "history": [
                    {"item_id": item, "timestamp": datetime.fromtimestamp(at, UTC).isoformat()}
                    for item, at in visit.history
                ],
            }
            for visit in day
        ],
    }


def shown(made: Mapping[str, object]) -> Shown:
    """A list as it was answered."""
    items: Sequence[Mapping[str, object]] = made["items"]  # type: ignore[assignment]
    return Shown(
        ranking_id=str(made["ranking_id"]), arm=str(made["arm"]), items=tuple(str(slot["item_id"]) for slot in items)
    )


def behaviour(visit: Visit, shown: Shown) -> Iterator[Event]:
    """What a household does with a list: looks at it from the top, clicks, and buys what it does not forget."""
    rng = np.random.default_rng([SEED, crc32(visit.key.encode())])
    clicked: set[str] = set()
    for position, item in enumerate(shown.items, start=1):
        slot: Event = {"item_id": item, "position": position, "ranking_id": shown.ranking_id}
        yield _event(visit, shown, "Promotion Viewed", position, slot)
        if rng.random() < (CLICK_WANTED if item in visit.wanted else CLICK_OTHER):
            clicked.add(item)
            yield _event(visit, shown, "Promotion Clicked", position + 1, slot)
        if rng.random() > SEEN:
            break
    remembered = [cents for item, cents in visit.wanted.items() if item in clicked or rng.random() > FORGOTTEN]
    if sum(remembered):
        order: Event = {"value": int(sum(remembered)), "currency": "USD"}
        yield _event(visit, shown, "Order Completed", int(BEFORE.total_seconds()), order)


def _event(visit: Visit, shown: Shown, name: str, seconds: int, properties: Event) -> Event:
    return {
        "type": "track",
        "event": name,
        "messageId": f"{visit.key}-{name}-{seconds}",  # a day that is sent again doubles nothing
        "userId": visit.household,
        "timestamp": (visit.at + timedelta(seconds=seconds)).isoformat(),
        "properties": {"experiment": KEY, "arm": shown.arm, "simulated": True, **properties},
    }
