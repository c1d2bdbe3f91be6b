"""Training of a sequence model with PyTorch on the CPU. Imported only when something is trained."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from recommenders.contracts import Budget, Floats, Interactions, Kind, Progress
from recommenders.errors import Unfit
from recommenders.strategies.sequence_model import Places

if TYPE_CHECKING:
    from recommenders.strategies.sequence import SequenceConfig

TASKS: Mapping[str, tuple[Kind, ...]] = {
    "click": (Kind.VIEW, Kind.CLICK, Kind.FAVOURITE),
    "purchase": (Kind.PURCHASE, Kind.RATING),
}
WARM_UP = 0.05  # share of the steps
LONGEST_GRADIENT = 5.0
CHECKS, FIRST_CHECK = 12, 0.4  # how often the held out are asked, and after which share of the steps
BUSY = 3.0  # how many times longer than its computing training may take on a busy machine
OVERHEAD = 60.0  # floats held per item and dimension while training, beside activations
NANOSECONDS = 0.25, 40.0  # per multiplication of a layer, per float of the table: on the slow side of machines
IMAGE_SHARE, IMAGES_AT_ONCE = 0.2, 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What training leaves: arrays for scoring, and figures for people."""

    arrays: Mapping[str, npt.NDArray[np.generic]]
    notes: Mapping[str, str | int | float]


def train(data: Interactions, config: SequenceConfig, *, seed: int, budget: Budget, progress: Progress) -> Trained:
    """Train within the budget and keep what was best on the held out. Torch's own state is left as it was.

    Raises:
        Unfit: the loss stops being a number.
    """
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.set_num_threads(budget.threads)
            torch.manual_seed(seed)
            return _train(data, config, np.random.default_rng(seed), Clock(budget), progress)
    finally:
        torch.set_num_threads(threads)


class Clock:
    """How much of the time is used: of computing, so that others on the machine change nothing, up to a limit."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.computed, self.passed = time.thread_time(), time.monotonic()

    def used(self) -> float:
        """The share of the budget that is gone."""
        computed, passed = time.thread_time() - self.computed, time.monotonic() - self.passed
        return max(computed, passed / BUSY) / self.budget.seconds


class Course:
    """How many steps there will be, and the learning rate of each: up in a line, down in half a cosine."""

    def __init__(self, planned: int, highest: float, used: float) -> None:
        self.planned = self.total = planned
        self.highest, self.begun, self.used = highest, used, used
        self.done = self.checks = 0

    def rate(self) -> float:
        warm = max(WARM_UP * self.total, 1.0)
        rising = (self.done + 1) / warm
        falling = 0.5 * (1 + math.cos(math.pi * min((self.done - warm) / max(self.total - warm, 1.0), 1.0)))
        return self.highest * (min(rising, 1.0) if self.done < warm else falling)

    def advance(self, used: float) -> None:
        """One step is done. Plan fewer where all would not fit, so that the rate still comes down to 0."""
        self.done, self.used = self.done + 1, used
        if self.done >= STEPS_TO_JUDGE:
            left = (RESERVE - used) * self.done / (used - self.begun)
            self.total = max(min(self.total, self.done + int(left)), self.done)

    def over(self) -> bool:
        return self.done >= self.total or self.used >= 1

    def due(self) -> bool:
        """Whether it is time for the next check."""
        share = FIRST_CHECK + self.checks / CHECKS * (1 - FIRST_CHECK)
        due = self.over() or self.done >= share * self.total
        self.checks += due
        return due


class Negatives:
    """Items to compare a target with, drawn as often as they were taken, and the logarithm of how often."""

    def __init__(self, data: Interactions, count: int, rng: np.random.Generator) -> None:
        taken = np.bincount(data.items, minlength=len(data.catalogue))
        self.rng, self.count, self.sums = rng, count, np.cumsum(taken)
        with np.errstate(divide="ignore"):
            self.expected = torch.from_numpy(np.log(count * taken / taken.sum()).astype(np.float32))

    def draw(self) -> Tensor:
        """Codes, shape (count,)."""
        places = self.rng.integers(self.sums[-1], size=self.count)
        return torch.from_numpy(np.searchsorted(self.sums, places, side="right"))


class Best:
    """The arrays that found most of what was held out; the last ones where nothing was."""

    def __init__(self, config: SequenceConfig, held_out: HeldOut | None) -> None:
        self.config, self.held_out = config, held_out
        self.arrays: Mapping[str, npt.NDArray[np.generic]] = {}
        self.ndcg, self.step = math.nan, 0

    def offer(self, network: Network, step: int) -> None:
        """Keep the network as it is now, if it is not worse than before."""
        arrays = network.arrays()
        if self.held_out is not None:
            ndcg = held_out_ndcg(model_of(self.config, arrays), self.held_out)
            if ndcg < self.ndcg:
                return
            self.ndcg = ndcg
        self.arrays, self.step = arrays, step


def affordable(data: Interactions, config: SequenceConfig, budget: Budget) -> int:
    """How many steps to plan: all passes, or as many as fit on a slow machine; the same on every machine."""
    steps = max(math.ceil(len(data) / config.batch), 1)
    width = config.width
    of_event = width * (8 * width * config.layers + 2 * config.history * config.layers + config.negatives)
    nanoseconds = config.batch * of_event * NS_PER_PRODUCT + len(data.catalogue) * width * NS_PER_PARAMETER
    return max(min(config.passes * steps, int(budget.seconds * budget.threads**0.5 * 1e9 / nanoseconds)), 1)


def content_vectors(data: Interactions, start: Floats, config: SequenceConfig, rng: np.random.Generator) -> Floats | None:
    """All features of the items side by side, shape (items, features); None where there are none or none is wanted."""
    found = [feature(data.catalogue, config.content_width, rng) for feature in FEATURES] if config.texts else []
    if config.images and data.catalogue.images is not None:
        pictures = data.catalogue.images.astype(np.float32)
        found.append(unit(pictures) if pictures.ndim == 2 else image_vectors(pictures, start, data.items))
    given = [vectors for vectors in found if vectors is not None]
    return np.hstack(given) if given else None


def image_vectors(pixels: Floats, start: Floats, taken: Codes) -> Floats:
    """A small convolutional network that learns from an item's picture where its start vector lies.

    ``pixels``: (n, H, W), (n, channels, H, W) or (n, H, W, channels).
    """
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    elif pixels.shape[-1] in CHANNELS and pixels.shape[1] not in CHANNELS:
        pixels = np.moveaxis(pixels, -1, 1)
    scaled = torch.from_numpy(np.ascontiguousarray((pixels - pixels.mean()) / max(float(pixels.std()), 1e-6)))
    network = nn.Sequential(
        nn.Conv2d(scaled.shape[1], 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, start.shape[1]),
    )
    seen, wanted = torch.from_numpy(np.unique(taken).astype(np.int64)), torch.from_numpy(start)
    optimiser = torch.optim.AdamW(network.parameters(), lr=IMAGE_RATE)
    for _ in range(IMAGE_PASSES):
        for rows in seen[torch.randperm(len(seen))].split(IMAGES_AT_ONCE):
            loss = 1 - functional.cosine_similarity(network(scaled[rows]), wanted[rows]).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
    with torch.no_grad():
        return unit(torch.cat([network(rows) for rows in scaled.split(IMAGES_AT_ONCE)]).numpy())


class Network:
    """The same model as in numpy, with gradients. Its parameters carry the names that the numpy model reads."""

    def __init__(self, config: SequenceConfig, data: Interactions, start: Floats, content: Floats | None) -> None:
        width = config.width
        self.config, self.items = config, len(data.catalogue)
        self.seen = torch.zeros(self.items + 1, dtype=torch.bool)
        self.seen[torch.from_numpy(np.append(np.unique(data.items), self.items).astype(np.int64))] = True
        self.parts = nn.ModuleDict({"ids": nn.Embedding(self.items + 1, width), "enter": nn.LayerNorm(width)})
        with torch.no_grad():
            self.parts["ids"].weight[: self.items] = torch.from_numpy(start)
        self.content: Tensor | None = None
        if content is not None:
            self.content = torch.from_numpy(np.vstack([content, np.zeros_like(content[:1])]))
            self.parts["content"] = nn.Linear(content.shape[1], width, bias=False)
        if len(np.unique(data.kinds)) > 1:
            self.parts["kinds"] = nn.Embedding(len(Kind), width)
            nn.init.zeros_(self.parts["kinds"].weight)
        tasks = tasks_of(data)
        if len(tasks) > 1:
            self.parts["heads"] = nn.ModuleDict({task: _unchanged(width) for task in tasks})
        self.tasks = tasks
        self._add_encoder()

    def _add_encoder(self) -> None:
        width, layers = self.config.width, self.config.layers
        if self.config.encoder == "transformer":
            self.parts["blocks"] = nn.ModuleList([_block(self.config) for _ in range(layers)])
            self.parts["leave"] = nn.LayerNorm(width)
            return
        kind = nn.GRU if self.config.encoder == "gru" else nn.LSTM
        between = self.config.dropout if layers > 1 else 0.0
        self.parts["rnn"] = kind(width, width, num_layers=layers, batch_first=True, dropout=between)
        self.parts["leave"] = nn.Linear(width, width)

    def vectors(self, items: Tensor, hidden: Tensor | None = None) -> Tensor:
        """What stands for these items: a vector of its own, where it was seen and is not hidden, plus its content's."""
        own = self.parts["ids"](items)
        if self.content is None:
            return own
        shown = self.seen if hidden is None else self.seen & ~hidden
        return own * shown[items][..., None] + self.parts["content"](self.content[items])

    def states(self, batch: Examples, hidden: Tensor | None = None) -> Tensor:
        """The state before each target, shape (B, L, width)."""
        drop = self.config.dropout if self.parts.training else 0.0
        x = self.vectors(batch.items, hidden)
        if "kinds" in self.parts:
            x = x + self.parts["kinds"](batch.kinds) * (batch.items < self.items)[..., None]
        x = functional.dropout(self.parts["enter"](x), drop)
        if self.config.encoder == "transformer":
            for part in self.parts["blocks"]:
                x = _through(part, x, drop)
        else:
            x = functional.dropout(self.parts["rnn"](x)[0], drop)
        return self.parts["leave"](x)

    def query(self, task: str, states: Tensor) -> Tensor:
        """The direction in which a task looks."""
        return functional.normalize(self.parts["heads"][task](states) if "heads" in self.parts else states, dim=-1)

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """What scoring needs, as numpy: the vectors of all items, which of them mean something, and the weights."""
        with torch.no_grad():
            table = self.vectors(torch.arange(self.items + 1)).numpy().copy()
        known = self.seen.numpy().copy()
        if self.content is not None:
            known |= self.content.abs().sum(dim=1).numpy() > 0
        weights = {
            f"weight:{name}": value.numpy().copy()
            for name, value in self.parts.state_dict().items()
            if not name.startswith(("ids.", "content."))
        }
        return {"table": table, "known": known[:-1], **weights}


def _unchanged(width: int) -> nn.Linear:
    head = nn.Linear(width, width)
    nn.init.eye_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def _block(config: SequenceConfig) -> nn.ModuleDict:
    width = config.width
    distance = nn.Embedding(config.history + 1, config.heads)
    nn.init.zeros_(distance.weight)
    return nn.ModuleDict(
        {
            "before": nn.LayerNorm(width),
            "attend": nn.Linear(width, 3 * width),
            "distance": distance,
            "mix": nn.Linear(width, width),
            "between": nn.LayerNorm(width),
            "widen": nn.Linear(width, 2 * width),
            "narrow": nn.Linear(2 * width, width),
        }
    )


def _through(part: nn.ModuleDict, x: Tensor, drop: float) -> Tensor:
    rows, length, width = x.shape
    distances = part["distance"].weight
    heads = distances.shape[1]
    parts = part["attend"](part["before"](x)).view(rows, length, 3, heads, width // heads)
    query, key, value = parts.permute(2, 0, 3, 1, 4)
    apart = torch.arange(length)[:, None] - torch.arange(length)
    bias = distances.T[:, apart.clamp(min=0)].masked_fill(apart < 0, -math.inf)
    shares = (query @ key.transpose(-1, -2) * (width // heads) ** -0.5 + bias).softmax(dim=-1)
    mixed = (shares @ value).transpose(1, 2).reshape(rows, length, width)
    x = x + functional.dropout(part["mix"](mixed), drop)
    inner = functional.dropout(part["widen"](part["between"](x)).relu(), drop)
    return x + functional.dropout(part["narrow"](inner), drop)
