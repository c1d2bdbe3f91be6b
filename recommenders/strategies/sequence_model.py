"""The forward pass of a sequence model in numpy: what serves needs no deep learning library.

``x`` are states of shape (B, L, width); ``weights`` the arrays of training under torch's names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from recommenders.base import Arrays
from recommenders.contracts import Batch, Codes, Floats
from recommenders.strategies.sequence_config import SequenceConfig
from recommenders.strategies.sequence_items import unit

Weights = Mapping[str, Floats]
Places = npt.NDArray[np.int64]

WEIGHT = "weight:"  # before the names of weights among the arrays
ROWS_AT_ONCE = 256
EPSILON = np.float32(1e-5)


@dataclass(frozen=True, kw_only=True, eq=False)
class SequenceModel:
    """What was learnt. ``table`` holds a vector for every item and, last, for the start of a history.

    ``bonus`` is added to the scores of an item: at least 0 for those that nobody took, -inf where there is
    no vector that means anything. ``tasks`` are the shares of the heads in the score.
    """

    weights: Weights
    table: Floats
    bonus: Floats
    encoder: str
    layers: int
    history: int
    temperature: float
    tasks: Mapping[str, float]

    @cached_property
    def targets(self) -> Floats:
        """Items as directions, shape (items, width)."""
        return unit(self.table[:-1])

    def score(self, batch: Batch) -> Floats:
        """Σ over tasks of share · cosine(state of the history, item) / temperature, plus the item's bonus."""
        wanted: Codes | slice = slice(None) if batch.candidates is None else batch.candidates
        targets, bonus = self.targets[wanted], self.bonus[wanted]
        scores = np.empty((len(batch), len(bonus)), dtype=np.float32)
        for start in range(0, len(batch), ROWS_AT_ONCE):
            states = self.encode(*self.inputs(batch, start, min(start + ROWS_AT_ONCE, len(batch))))
            queries = sum(
                (np.float32(share / self.temperature) * self.query(task, states) for task, share in self.tasks.items()),
                start=np.zeros_like(states),
            )
            scores[start : start + len(states)] = queries @ targets.T + bonus
        return scores

    def inputs(self, batch: Batch, first: int, end: int) -> tuple[Places, Places, Places]:
        """Items and kinds of rows first to end, shape (B, L), and where each history ends.

        Histories are cut to the last ``history`` events and begin at column 0, a shorter one with the code of its
        start; what is behind their end is not read.
        """
        lengths = np.minimum(np.diff(batch.offsets[first : end + 1]), self.history)
        begins = (lengths < self.history).astype(np.int64)
        columns = np.arange(int((lengths + begins).max(initial=1)))
        rows = batch.offsets[first + 1 : end + 1, None] - lengths[:, None] + columns - begins[:, None]
        given = (columns >= begins[:, None]) & (columns < (lengths + begins)[:, None])
        items = np.full(given.shape, len(self.table) - 1, dtype=np.int64)
        kinds = np.zeros(given.shape, dtype=np.int64)
        items[given], kinds[given] = batch.items[rows[given]], batch.kinds[rows[given]]
        return items, kinds, lengths + begins - 1

    def encode(self, items: Places, kinds: Places, ends: Places) -> Floats:
        """The state at the end of each history, shape (B, width)."""
        x = self.table[items]
        if "kinds.weight" in self.weights:
            x = x + self.weights["kinds.weight"][kinds] * (items < len(self.table) - 1)[..., None].astype(np.float32)
        x = norm(x, self.weights, "enter")
        if self.encoder == "transformer":
            for layer in range(self.layers):
                x = block(x, self.weights, f"block{layer}")
            return norm(x[np.arange(len(x)), ends], self.weights, "leave")
        step = gru if self.encoder == "gru" else lstm
        for layer in range(self.layers):
            x = step(x, self.weights, layer)
        return linear(x[np.arange(len(x)), ends], self.weights, "leave")

    def query(self, task: str, states: Floats) -> Floats:
        """The direction in which a task looks for its next item, shape (B, width)."""
        head = f"heads.{task}"
        return unit(linear(states, self.weights, head) if f"{head}.weight" in self.weights else states)


def linear(x: Floats, weights: Weights, name: str) -> Floats:
    """x Wᵀ + b."""
    return cast(Floats, x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"])


def norm(x: Floats, weights: Weights, name: str) -> Floats:
    """Each state to mean 0 and variance 1, then scaled and shifted."""
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + EPSILON)
    return cast(Floats, centred / deviation * weights[f"{name}.weight"] + weights[f"{name}.bias"])


def block(x: Floats, weights: Weights, name: str) -> Floats:
    """Causal self-attention, each distance with a bias of its own, then two layers with a ReLU between them."""
    x = x + linear(attention(norm(x, weights, f"{name}.before"), weights, name), weights, f"{name}.mix")
    inner = np.maximum(linear(norm(x, weights, f"{name}.between"), weights, f"{name}.widen"), 0)
    return x + linear(inner, weights, f"{name}.narrow")


def attention(x: Floats, weights: Weights, name: str) -> Floats:
    """softmax(Q Kᵀ / √(width / heads) + bias of the distance) V over the present and the past."""
    rows, length, width = x.shape
    distances = weights[f"{name}.distance.weight"]  # (distances, heads)
    heads = distances.shape[1]
    parts = linear(x, weights, f"{name}.attend").reshape(rows, length, 3, heads, width // heads)
    query, key, value = parts.transpose(2, 0, 3, 1, 4)
    apart = np.arange(length)[:, None] - np.arange(length)
    bias = np.where(apart >= 0, distances.T[:, np.maximum(apart, 0)], np.float32(-np.inf))
    logits = query @ key.transpose(0, 1, 3, 2) * np.float32((width // heads) ** -0.5) + bias
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    return cast(Floats, (shares @ value).transpose(0, 2, 1, 3).reshape(rows, length, width))


def gru(x: Floats, weights: Weights, layer: int) -> Floats:
    """r, z = σ(…); n = tanh(W x + b + r (U h + c)); h ← (1 − z) n + z h. Gates in torch's order: r, z, n."""
    given = x @ weights[f"rnn.weight_ih_l{layer}"].T + weights[f"rnn.bias_ih_l{layer}"]
    recurrent, shift = weights[f"rnn.weight_hh_l{layer}"].T, weights[f"rnn.bias_hh_l{layer}"]
    states = np.empty_like(x)
    h = np.zeros_like(x[:, 0])
    for t in range(x.shape[1]):
        reset, update, new = np.split(given[:, t], 3, axis=1)
        reset_h, update_h, new_h = np.split(h @ recurrent + shift, 3, axis=1)
        z = expit(update + update_h)
        h = states[:, t] = (1 - z) * np.tanh(new + expit(reset + reset_h) * new_h) + z * h
    return states


def lstm(x: Floats, weights: Weights, layer: int) -> Floats:
    """i, f, o = σ(…), g = tanh(…); c ← f c + i g; h = o tanh(c). Gates in torch's order: i, f, g, o."""
    given = x @ weights[f"rnn.weight_ih_l{layer}"].T + weights[f"rnn.bias_ih_l{layer}"]
    recurrent, shift = weights[f"rnn.weight_hh_l{layer}"].T, weights[f"rnn.bias_hh_l{layer}"]
    states = np.empty_like(x)
    h = cell = np.zeros_like(x[:, 0])
    for t in range(x.shape[1]):
        enter, keep, new, leave = np.split(given[:, t] + h @ recurrent + shift, 4, axis=1)
        cell = expit(keep) * cell + expit(enter) * np.tanh(new)
        h = states[:, t] = expit(leave) * np.tanh(cell)
    return states


def model_of(arrays: Arrays, config: SequenceConfig) -> SequenceModel:
    """The model whose arrays these are."""
    weights = {
        name.removeprefix(WEIGHT): array.astype(np.float32) for name, array in arrays.items() if name.startswith(WEIGHT)
    }
    shares = {"click": 1 - config.purchase_share, "purchase": config.purchase_share}
    both = "heads.click.weight" in weights
    return SequenceModel(
        weights=weights,
        table=arrays["table"].astype(np.float32),
        bonus=arrays["bonus"].astype(np.float32),
        encoder=config.encoder,
        layers=config.layers,
        history=config.history,
        temperature=config.temperature,
        tasks=shares if both else {"any": 1.0},
    )
