"""What many users did something with lately: what is shown where a strategy cannot say."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from threading import Thread

from experiments.queries.query import Value
from winnow.catalog.vocabulary import ACT_KINDS
from winnow.events.warehouse import LakeWarehouse
from winnow.serving.catalogues import MOST_POPULAR

logger = logging.getLogger(__name__)

DAYS = 28
SECONDS = 600.0  # after which it is counted again, if somebody asks

# Users and not events: one who looks a hundred times does not make an item popular.
SQL = """
SELECT item_id, COUNT(DISTINCT user_id) AS users FROM events
WHERE item_id IS NOT NULL AND list_contains(string_split($names, '|'), event)
  AND timestamp > (SELECT MAX(timestamp) FROM events) - to_days($days)
GROUP BY item_id ORDER BY users DESC, item_id LIMIT $most
"""


class Popularity:
    """Counted in the background, so that no request waits for it; until then nothing is popular."""

    def __init__(self) -> None:
        self._counts: Mapping[str, float] = {}
        self._due = 0.0
        self._thread: Thread | None = None

    def get(self) -> Mapping[str, float]:
        """Item → users, the same object until it is counted again."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + SECONDS
            self._thread = Thread(target=self.refresh, name="popularity", daemon=True)
            self._thread.start()
        return self._counts

    def set(self, counts: Mapping[str, float]) -> None:
        """Take these for the next while."""
        self._counts = counts
        self._due = time.monotonic() + SECONDS

    def refresh(self) -> None:
        """Count now."""
        try:
            self.set(count())
        except Exception:  # the lake may be away; what was counted before stays
            logger.exception("popularity could not be counted")


def count() -> dict[str, float]:
    """Item → how many users did something with it in the last days of the lake, the most first."""
    parameters: dict[str, Value] = {"names": "|".join(ACT_KINDS), "days": DAYS, "most": MOST_POPULAR}
    rows = LakeWarehouse().query(SQL, parameters)
    return {str(row["item_id"]): float(str(row["users"])) for row in rows}


POPULARITY = Popularity()
