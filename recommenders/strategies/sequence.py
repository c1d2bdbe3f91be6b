"""What a user did, in order, read by a recurrent network or a causal Transformer; trained by PyTorch, served by numpy."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self

from recommenders.base import Arrays, Strategy, report_of
from recommenders.contracts import BUDGET, Batch, Budget, FitReport, Floats, Interactions, Items, Progress, silent
from recommenders.errors import InvalidConfig, MissingExtra, Unfit
from recommenders.strategies.sequence_model import SequenceModel, model_of

ENCODERS = ("transformer", "gru", "lstm")
COPIES = 6  # of every vector while training: itself, gradient, two moments, the best so far, the one being checked
FEWEST_EVENTS, FEWEST_ITEMS = 2, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceConfig:
    """How the model is built, then how it is trained.

    Attributes:
        encoder: ``transformer``, ``gru`` or ``lstm``.
        width: of all vectors; more overfits small data.
        layers: of the encoder.
        heads: of attention; ``width`` is a multiple of it.
        history: how many of the last events are read.
        texts: whether texts, tags and categories of the items count; then items nobody took get a vector.
        images: the same of images.
        content_width: how many directions of all texts are kept.
        purchase_share: of the head for purchases in the score, where data has purchases and clicks; 1 ignores clicks.
        temperature: by which cosines are divided before the softmax.
        dropout: share of each layer's outputs that are left out while training.
        hidden: share of the items whose own vector is left out at each step, so that content must do; only with content.
        negatives: how many items each target is compared with.
        passes: over the data, if the budget allows.
        batch: how many events a step learns from.
        learning_rate: the highest.
        weight_decay: of vectors and matrices.
        held_out: share of the users whose last event only tells which step was best; at most 1,000 users, none if
            that were fewer than 50.
    """

    encoder: str = "transformer"
    width: int = 64
    layers: int = 1
    heads: int = 1
    history: int = 50
    texts: bool = True
    images: bool = True
    content_width: int = 64
    purchase_share: float = 0.5
    temperature: float = 0.07
    dropout: float = 0.5
    hidden: float = 0.2
    negatives: int = 512
    passes: int = 30
    batch: int = 2_048
    learning_rate: float = 0.002
    weight_decay: float = 0.01
    held_out: float = 0.05

    def __post_init__(self) -> None:
        if self.encoder not in ENCODERS:
            raise InvalidConfig("encoder", f"{self.encoder!r} must be one of {', '.join(ENCODERS)}")
        counts = ("width", "layers", "heads", "history", "content_width", "negatives", "passes", "batch")
        for name in counts:
            if getattr(self, name) < 1:
                raise InvalidConfig(name, f"{getattr(self, name)} must be at least 1")
        if self.width % self.heads:
            raise InvalidConfig("heads", f"{self.heads} must divide the width, {self.width}")
        for name in ("temperature", "learning_rate"):
            if not getattr(self, name) > 0:
                raise InvalidConfig(name, f"{getattr(self, name):g} must be above 0")
        for name in ("dropout", "hidden", "held_out"):
            if not 0 <= getattr(self, name) < 1:
                raise InvalidConfig(name, f"{getattr(self, name):g} must be from 0 to below 1")
        if not 0 <= self.purchase_share <= 1:
            raise InvalidConfig("purchase_share", f"{self.purchase_share:g} must be from 0 to 1")
        if not self.weight_decay >= 0:
            raise InvalidConfig("weight_decay", f"{self.weight_decay:g} must be at least 0")


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
        trained = train(data, self.config, seed=seed, budget=budget, progress=progress)
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
        self.model = model_of(arrays, encoder=self.config.encoder, layers=self.config.layers,
            history=self.config.history, temperature=self.config.temperature, purchase_share=self.config.purchase_share)


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
    content = 3 * len(data.catalogue) * config.content_width * (data.catalogue.features != frozenset())
    states = config.batch * (config.negatives * 4 + config.width * 40 * config.layers)
    asking = 1_000 * len(data.catalogue) * 3
    return 4 * (vectors + content + states + asking)
