"""What a user did, in order, read by a recurrent network or a Transformer; trained by PyTorch, served by numpy."""

from __future__ import annotations

import time
from typing import Self

from recommenders.base import Arrays, Strategy, report_of
from recommenders.contracts import BUDGET, Batch, Budget, FitReport, Floats, Interactions, Items, Progress, silent
from recommenders.errors import MissingExtra, Unfit
from recommenders.strategies.sequence_config import SequenceConfig
from recommenders.strategies.sequence_model import ROWS_AT_ONCE, SequenceModel, model_of

COPIES = 6  # of every vector while training: itself, gradient, two moments, the best so far, the one being checked
FEWEST_EVENTS, FEWEST_ITEMS = 2, 2


class Sequence(Strategy[SequenceConfig]):
    """The order of what a user did tells what comes next: cosine of the history's state and the item's vector."""

    key, name, family = "sequence", "Behaviour sequence", "deep"
    description = "Reads a user's last events in order with a GRU, an LSTM or a causal Transformer."
    Config = SequenceConfig
    requires = frozenset({"history"})

    model: SequenceModel
    arrays: Arrays

    def fit(
        self, data: Interactions, *, seed: int = 0, budget: Budget = BUDGET, progress: Progress = silent
    ) -> FitReport:
        """Train by PyTorch.

        Raises:
            MissingExtra: PyTorch is not installed.
            Unfit: there is too little data or memory, or the loss stopped being a number.
        """
        started = time.monotonic()
        try:
            from recommenders.strategies.sequence_training import train
        except ImportError as error:
            raise MissingExtra(
                f"training 'sequence' needs PyTorch ({error}): pip install 'winnow-platform[deep]'"
            ) from None
        check(data, self.config, budget)
        trained = train(data, self.config, seed=seed, budget=budget, progress=progress, checkpoint=self.checkpoint)
        self._take(trained.arrays)
        return report_of(data, started, **trained.notes)

    def score(self, batch: Batch) -> Floats:
        return self.model.score(batch)

    def state(self) -> Arrays:
        return self.arrays

    @classmethod
    def restore(cls, config: SequenceConfig, arrays: Arrays, items: Items) -> Self:
        strategy = cls(config)
        strategy._take(arrays)
        return strategy

    def _take(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.model = model_of(arrays, self.config)


def check(data: Interactions, config: SequenceConfig, budget: Budget) -> None:
    """Raise Unfit where training would make no sense or would not fit into memory."""
    if len(data) < FEWEST_EVENTS or len(data.catalogue) < FEWEST_ITEMS:
        raise Unfit(
            f"there are {len(data)} events and {len(data.catalogue)} items;"
            f" a sequence needs at least {FEWEST_EVENTS} and {FEWEST_ITEMS}"
        )
    needed = bytes_for(data, config)
    if needed > budget.memory:
        raise Unfit(
            f"training needs about {needed / 1e9:.1f} GB for {len(data.catalogue):,} items of width {config.width},"
            f" the budget is {budget.memory / 1e9:.1f} GB; use a smaller width or batch, or fewer items"
        )


def bytes_for(data: Interactions, config: SequenceConfig) -> int:
    """About how much memory training takes beside the data itself and PyTorch."""
    vectors = COPIES * len(data.catalogue) * config.width
    content = 3 * len(data.catalogue) * (config.content_width + config.width) * (data.catalogue.features != frozenset())
    states = config.batch * (config.negatives * 4 + config.width * 40 * config.layers)
    asking = 4 * ROWS_AT_ONCE * len(data.catalogue)
    return 4 * (vectors + content + states + asking)
