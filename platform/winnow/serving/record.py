"""What is logged of the lists, before anybody sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from winnow.events.ingest import ingest
from winnow.serving.contracts import Person, Request, ServedList


class NotRecorded(Exception):
    """The log refused a list; so nobody may see it."""


def record(request: Request, lists: Sequence[ServedList]) -> None:
    """Commit the lists, and the exposures if asked, as one. Raises NotRecorded, and what the database raises."""
    receipt = ingest(event for made in lists for event in _events(request, made))
    if receipt.rejections:
        raise NotRecorded(receipt.rejections[0].message)


def _events(request: Request, made: ServedList) -> Iterator[dict[str, object]]:
    yield {
        "event": "Recommendation Served",
        "messageId": f"served-{made.ranking_id}",
        **_who(made.person),
        "properties": _properties(request, made),
    }
    if request.expose and made.arm is not None:
        properties = {"ranking_id": made.ranking_id, "experiment": made.experiment, "arm": made.arm}
        yield {
            "event": "Experiment Viewed",
            "messageId": f"viewed-{made.ranking_id}",
            **_who(made.person),
            "properties": properties,
        }


def _who(person: Person) -> dict[str, str]:
    moment = None if person.timestamp is None else person.timestamp.isoformat()
    given = {"userId": person.user_id, "anonymousId": person.anonymous_id, "timestamp": moment}
    return {name: value for name, value in given.items() if value is not None}


def _properties(request: Request, made: ServedList) -> dict[str, object]:
    properties: dict[str, object] = {
        "ranking_id": made.ranking_id,
        "strategy": made.strategy,
        "version": made.version,
        "pool": made.pool,
        "items": [
            {"item_id": slot.item_id, "propensity": slot.propensity, "source": slot.source.value} for slot in made.slots
        ],
    }
    if request.surface is not None:
        properties["surface"] = request.surface
    if made.arm is not None:  # nobody was assigned otherwise, and the experiment does not count the list
        properties |= {"experiment": made.experiment, "arm": made.arm, "exploration": made.exploration}
    if made.trouble is not None:
        properties["fallback"] = made.trouble.value
    return properties
