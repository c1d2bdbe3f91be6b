"""What can be set of a sequence model."""

from __future__ import annotations

from dataclasses import dataclass

from recommenders.errors import InvalidConfig

ENCODERS = ("transformer", "gru", "lstm")


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
        hidden: share of the items that have to do without a vector of their own at each step; only with content.
        newcomers: share of the fifty best places that items get that nobody took, at least and on average; at most
            their share of the catalogue; only with content.
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
    newcomers: float = 0.02
    negatives: int = 512
    passes: int = 45
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
        for name in ("dropout", "hidden", "newcomers", "held_out"):
            if not 0 <= getattr(self, name) < 1:
                raise InvalidConfig(name, f"{getattr(self, name):g} must be from 0 to below 1")
        if not 0 <= self.purchase_share <= 1:
            raise InvalidConfig("purchase_share", f"{self.purchase_share:g} must be from 0 to 1")
        if not self.weight_decay >= 0:
            raise InvalidConfig("weight_decay", f"{self.weight_decay:g} must be at least 0")
