"""From a strategy's order to the list that is served: filled up with what is popular, explored, in the shop's ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recommenders.contracts import Codes
from winnow.serving.arms import Placement
from winnow.serving.cases import Case
from winnow.serving.catalogues import Catalogue, Flags
from winnow.serving.contracts import ServedList, Slot, Source, Trouble
from winnow.serving.ranking import Row
from winnow.serving.slots import Place, fill


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is said about a list beside its items. ``label`` is ``key@version`` as far as it is known."""

    label: str
    experiment: str | None
    trouble: Trouble | None = None
    message: str = ""


def make_list(
    case: Case,
    placement: Placement,
    row: Row,
    catalogue: Catalogue,
    flags: Flags,
    popular: Codes,
    *,
    k: int,
    told: Told,
) -> ServedList:
    """The list of one case. ``flags`` say what may be shown, ``popular`` are all codes, the most popular first."""
    pool = np.flatnonzero(flags).astype(np.int32)
    wanted = min(k, len(pool))
    order = list(row.codes[:wanted])
    trouble, message = told.trouble, told.message
    if len(order) < wanted:
        if trouble is None:
            trouble, message = Trouble.TOO_FEW, f"the strategy knows {len(order)} of {wanted} items"
        order += _fill_up(order, popular[flags[popular]], wanted)
    places = fill(order, pool, k=k, exploration=placement.exploration, ranking_id=case.ranking_id)
    key, _, version = told.label.partition("@")
    return ServedList(
        ranking_id=case.ranking_id,
        person=case.person,
        slots=tuple(_slot(place, row, catalogue) for place in places),
        strategy=key,
        version=version,
        pool=len(pool),
        experiment=told.experiment,
        arm=placement.arm,
        exploration=placement.exploration,
        trouble=trouble,
        message=message,
    )


def _fill_up(order: list[int], popular: Codes, wanted: int) -> list[int]:
    taken = set(order)
    more = (code for code in popular[: wanted + len(order)].tolist() if code not in taken)
    return [code for code, _ in zip(more, range(wanted - len(order)), strict=False)]


def _slot(place: Place, row: Row, catalogue: Catalogue) -> Slot:
    known = place.code in row.codes
    position = row.codes.index(place.code) if known else 0
    return Slot(
        item_id=catalogue.items.ids[place.code],
        propensity=place.propensity,
        source=Source.EXPLORATION if place.drawn else Source.STRATEGY if known else Source.FALLBACK,
        score=row.scores[position] if known else None,
        reason=row.reasons[position] if known and row.reasons else "",
    )
