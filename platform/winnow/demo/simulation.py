"""A simulated campaign with known true effects, so that every metric has something to show. Seeded: always the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from experiments.contracts import PlannedArm, Role, Stopping
from experiments.services.lifecycle import Draft
from winnow.demo.openbandit import Event

KEY = "simulated-spend-and-save"
SEED = 20251103
USERS = 20_000
START = datetime(2025, 11, 3, tzinfo=UTC)
STOP = datetime(2025, 11, 17, tzinfo=UTC)
DAYS = (STOP - START).days
ARMS = ("control", "treatment")

# What treatment does, as factors on what control does.
CLICK, JOIN, ORDER = 1.15, 1.10, 1.12
CLICK_SHAPE = (1.0, 19.0)  # users differ: their click probability is Beta distributed with mean .05
ORDER_SHAPE = 0.5  # and so does their probability to order, Gamma distributed around its mean
DAYS_BEFORE = 28  # of the same habits, before a user is exposed
NEWCOMERS = 0.3  # share of users without any history
JOIN_SHARE, ORDER_SHARE, REFUND_SHARE, RESPONSE_SHARE = 0.12, 0.08, 0.07, 0.15
SCORES = {"control": (0.05, 0.07, 0.18, 0.40, 0.30), "treatment": (0.04, 0.06, 0.17, 0.41, 0.32)}

TRUTH = {
    "ctr": CLICK - 1,
    "conversion": ORDER - 1,
    "participation": JOIN - 1,
    "participations": JOIN - 1,
    "revenue": ORDER - 1,
    "average-order-value": 0.0,
    "returns": 0.0,
    "satisfaction": float(np.dot(SCORES["treatment"], range(1, 6)) / np.dot(SCORES["control"], range(1, 6)) - 1),
    "response-rate": 0.0,
}


def draft() -> Draft:
    """The simulated experiment."""
    roles = {"conversion": Role.PRIMARY, "returns": Role.GUARDRAIL}
    return Draft(
        key=KEY,
        name="Spend 300, save 50 (simulated)",
        hypothesis="Showing the campaign to users who are likely to join brings more orders.",
        arms=(PlannedArm(key="control", name="Everybody"), PlannedArm(key="treatment", name="Likely joiners")),
        metrics=tuple((key, roles.get(key, Role.SECONDARY)) for key in TRUTH),
        currency="CNY",
        planned_start=START,
        planned_end=STOP,
        planned_units=USERS,
        stopping=Stopping.ONCE,
        covariate_days=DAYS_BEFORE,
        segments=("history",),
        margins={"returns": 0.25},
        simulated=True,
        truth=TRUTH,
    )


def events() -> Iterator[Event]:
    """What the simulated users do, user by user."""
    rng = np.random.default_rng(SEED)
    for number in range(USERS):
        yield from _User(number, rng).events()


class _User:
    """One simulated user: sees, clicks, joins, buys, returns, answers."""

    def __init__(self, number: int, rng: np.random.Generator) -> None:
        self.rng = rng
        self.user_id = f"sim-{number:05d}"
        self.treated = bool(rng.integers(2))
        self.arm = ARMS[self.treated]
        self.first_at = START + timedelta(seconds=float(rng.uniform(0, (DAYS - 3) * 86_400)))
        self.sent = 0
        self.click = float(rng.beta(*CLICK_SHAPE))
        self.order = ORDER_SHARE * float(rng.gamma(ORDER_SHAPE, 1 / ORDER_SHAPE))
        self.history = "none" if rng.random() < NEWCOMERS else "some"

    def events(self) -> Iterator[Event]:
        rng = self.rng
        if self.history == "some":
            yield from self._before()
        yield self._event("Experiment Viewed", 0.0, {"history": self.history})
        yield from self._impressions(1.0, 2 * 86_400, self.click * (CLICK if self.treated else 1))
        if rng.random() < JOIN_SHARE * (JOIN if self.treated else 1):
            yield self._event("Promotion Joined", float(rng.uniform(60, 86_400)))
        if rng.random() < self.order * (ORDER if self.treated else 1):
            yield from self._orders()
        if rng.random() < RESPONSE_SHARE:
            score = int(rng.choice(5, p=SCORES[self.arm])) + 1
            yield self._event("Survey Answered", 2.5 * 86_400, {"value": score})

    def _before(self) -> Iterator[Event]:
        yield from self._impressions(-DAYS_BEFORE * 86_400, -10, self.click)
        for _ in range(self.rng.poisson(2 * self.order)):
            order: Event = {"value": round(float(self.rng.lognormal(9.6, 0.8))), "currency": "CNY"}
            yield self._event("Order Completed", float(self.rng.uniform(-DAYS_BEFORE * 86_400, -10)), order)

    def _impressions(self, start: float, end: float, click: float) -> Iterator[Event]:
        for _ in range(1 + self.rng.poisson(5)):
            seconds = float(self.rng.uniform(start, end))
            slot: Event = {"item_id": f"item-{self.rng.integers(400)}", "position": int(self.rng.integers(1, 7))}
            yield self._event("Promotion Viewed", seconds, slot)
            if self.rng.random() < click:
                yield self._event("Promotion Clicked", seconds + 5, slot)

    def _orders(self) -> Iterator[Event]:
        for _ in range(1 + self.rng.poisson(0.2)):
            fen = round(float(self.rng.lognormal(9.6, 0.8)))
            order: Event = {"value": fen, "currency": "CNY"}
            yield self._event("Order Completed", float(self.rng.uniform(120, 2 * 86_400)), order)
            if self.rng.random() < REFUND_SHARE:
                yield self._event("Order Refunded", 2.2 * 86_400, order)

    def _event(self, name: str, seconds: float, properties: Event | None = None) -> Event:
        self.sent += 1
        shown: Event = {} if seconds < 0 else {"experiment": KEY, "arm": self.arm, "campaign_id": "spend-300-save-50"}
        return {
            "type": "track",
            "event": name,
            "messageId": f"{self.user_id}-{self.sent}",
            "userId": self.user_id,
            "timestamp": (self.first_at + timedelta(seconds=seconds)).isoformat(),
            "properties": {**shown, "simulated": True, **(properties or {})},
        }
