"""Training of a sequence model with PyTorch on the CPU. Imported only when something is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from recommenders.checkpoints import Checkpoint
from recommenders.contracts import Budget, Codes, Floats, Interactions, Kind, Progress
from recommenders.errors import Unfit
from recommenders.strategies.sequence_config import SequenceConfig
from recommenders.strategies.sequence_course import Best, Clock, Course, Negatives, affordable, newcomers_bonus
from recommenders.strategies.sequence_items import FEATURES, start_vectors, told_vectors, unit
from recommenders.strategies.sequence_model import WEIGHT, model_of
from recommenders.strategies.sequence_place import Passes, Running, go_on_from, place_of
from recommenders.strategies.sequence_windows import Examples, hold_out

TASKS: Mapping[str, tuple[Kind, ...]] = {
    "click": (Kind.VIEW, Kind.CLICK, Kind.FAVOURITE),
    "purchase": (Kind.PURCHASE, Kind.RATING),
}
LONGEST_GRADIENT = 5.0
STEPS_BETWEEN_NEWS = 20
IMAGE_PASSES, IMAGES_AT_ONCE, IMAGE_RATE = 20, 256, 0.002
CHANNELS = (1, 3, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What training leaves: arrays for scoring, and figures for people."""

    arrays: Mapping[str, npt.NDArray[np.generic]]
    notes: Mapping[str, str | int | float]


def train(
    data: Interactions,
    config: SequenceConfig,
    *,
    seed: int,
    budget: Budget,
    progress: Progress,
    checkpoint: Checkpoint | None = None,
) -> Trained:
    """Train within the budget and keep what was best on the held out. Torch's own state is left as it was.

    What was interrupted goes on from its checkpoint and ends with the same arrays as if it had not been.

    Raises:
        Unfit: the loss stops being a number.
    """
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.set_num_threads(budget.threads)
            torch.manual_seed(seed)
            return _train(data, config, np.random.default_rng(seed), budget, progress, checkpoint)
    finally:
        torch.set_num_threads(threads)


def _train(
    whole: Interactions,
    config: SequenceConfig,
    rng: np.random.Generator,
    budget: Budget,
    progress: Progress,
    checkpoint: Checkpoint | None,
) -> Trained:
    clock = Clock(budget)
    progress(0.0, "vectors of the items")
    data, held_out = hold_out(whole, config.held_out, rng)
    start = start_vectors(data, config.width, rng)
    network = Network(config, data, start, content_vectors(data, start, config, rng))
    negatives, best = Negatives(data, config.negatives, rng, network.described()[:-1]), Best(held_out)
    course = Course(planned_steps(data, network, budget), config.learning_rate, clock.used())
    running = Running(
        model=network.parts,
        optimisers=network.optimisers(),
        passes=Passes(data, config, rng),
        course=course,
        clock=clock,
        best=best,
    )
    place = checkpoint.read() if checkpoint else None
    if place is not None:
        go_on_from(running, place)
    begun = course.done
    loss = _run(running, network, negatives, progress, checkpoint)
    unseen = (network.described() & ~network.seen.numpy())[:-1]
    bonus = newcomers_bonus(model_of(best.arrays, config), data, unseen, config.newcomers, rng)
    progress(1.0, "trained")
    arrays = {**best.arrays, "bonus": best.arrays["bonus"] + np.where(unseen, bonus, 0).astype(np.float32)}
    notes = _notes(network, course, best, loss, data, config)
    return Trained(arrays=arrays, notes=notes | {"continued_from_step": begun} if begun else notes)


def _run(
    running: Running, network: Network, negatives: Negatives, progress: Progress, checkpoint: Checkpoint | None
) -> float:
    """All steps that are left; the loss of the last one."""
    course = running.course
    while True:
        loss = _step(network, running.optimisers, running.passes.next(), negatives, course.rate())
        if not math.isfinite(loss):
            raise Unfit(f"the loss stopped being a number at step {course.done}: use a smaller learning_rate")
        course.advance(running.clock.used())
        if course.due():
            arrays = network.arrays()
            running.best.offer(arrays, model_of(arrays, network.config), course.done)
        if course.done % STEPS_BETWEEN_NEWS == 0:
            progress(course.done / max(course.total, 1), f"step {course.done} of {course.total}, loss {loss:.3f}")
        if course.over():
            return loss
        if checkpoint and checkpoint.due():
            checkpoint.write(place_of(running))


def _step(
    network: Network, optimisers: tuple[torch.optim.Optimizer, ...], batch: Examples, negatives: Negatives, rate: float
) -> float:
    loss = network.loss(batch, negatives)
    network.parts.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(network.layers(), LONGEST_GRADIENT)
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
    return float(loss.item())


def _notes(
    network: Network, course: Course, best: Best, loss: float, data: Interactions, config: SequenceConfig
) -> dict[str, str | int | float]:
    notes: dict[str, str | int | float] = {
        "encoder": config.encoder,
        "steps": course.done,
        "steps_planned": course.planned,
        "passes": round(course.done * config.batch / len(data), 2),
        "best_step": best.step,
        "loss": round(loss, 4),
        "tasks": ", ".join(network.tasks),
        "content_features": 0 if network.content is None else network.content.shape[1],
    }
    return notes if best.held_out is None else notes | {"held_out_ndcg_10": round(best.ndcg, 5)}


def planned_steps(data: Interactions, network: Network, budget: Budget) -> int:
    """How many steps the budget allows on a slow machine, at most all passes."""
    config, width = network.config, network.config.width
    layer = 8 * width * width + 2 * config.history * width
    features = 0 if network.content is None else network.content.shape[1]
    return affordable(
        len(data),
        products=config.layers * layer + config.negatives * width + 2 * features * width,
        batch=config.batch,
        passes=config.passes,
        budget=budget,
    )


class Network:
    """The same model as in numpy, with gradients. Its parameters carry the names that the numpy model reads."""

    def __init__(self, config: SequenceConfig, data: Interactions, start: Floats, content: Floats | None) -> None:
        width = config.width
        self.config, self.items, self.tasks = config, len(data.catalogue), tasks_of(data)
        self.seen = torch.zeros(self.items + 1, dtype=torch.bool)
        self.seen[torch.from_numpy(np.append(np.unique(data.items), self.items).astype(np.int64))] = True
        self.ids = nn.Embedding(self.items + 1, width, sparse=True)
        with torch.no_grad():
            self.ids.weight[: self.items] = torch.from_numpy(start)
        self.content = None if content is None else torch.from_numpy(np.vstack([content, np.zeros_like(content[:1])]))
        self.kinds = nn.Embedding(len(Kind), width) if len(np.unique(data.kinds)) > 1 else None
        self.heads = {task: nn.Linear(width, width) for task in self.tasks} if len(self.tasks) > 1 else {}
        self.blocks = [_block(config) for _ in range(config.layers)] if config.encoder == "transformer" else []
        self.parts = nn.ModuleDict({"ids": self.ids, "enter": nn.LayerNorm(width)})
        if self.blocks:
            self.parts.update({f"block{layer}": block for layer, block in enumerate(self.blocks)})
            self.parts["leave"] = nn.LayerNorm(width)
        else:
            self.parts["rnn"], self.parts["leave"] = _recurrent(config), nn.Linear(width, width)
        if content is not None:
            self.parts["content"] = nn.Linear(content.shape[1], width, bias=False)
        if self.kinds is not None:
            self.parts["kinds"] = self.kinds
            nn.init.zeros_(self.kinds.weight)
        if self.heads:
            self.parts["heads"] = nn.ModuleDict(self.heads)
        for head in self.heads.values():
            nn.init.eye_(head.weight)
            nn.init.zeros_(head.bias)

    def layers(self) -> list[nn.Parameter]:
        """All parameters but the vectors of the items."""
        return [one for name, one in self.parts.named_parameters() if not name.startswith("ids.")]

    def optimisers(self) -> tuple[torch.optim.Optimizer, ...]:
        """One for the layers; one for the items, that touches only those of the step, however many there are."""
        layers = torch.optim.AdamW(self.layers(), lr=self.config.learning_rate, weight_decay=self.config.weight_decay)
        return layers, torch.optim.SparseAdam([self.ids.weight], lr=self.config.learning_rate)

    def vectors(self, items: Tensor, hidden: Tensor | None = None) -> Tensor:
        """What stands for these items: a vector of its own, where it was seen and is not hidden, plus its content's."""
        own: Tensor = self.ids(items)
        if self.content is None:
            return own
        shown = self.seen if hidden is None else self.seen & ~hidden
        described: Tensor = self.parts["content"](self.content[items])
        return own * shown[items][..., None] + described

    def states(self, items: Tensor, kinds: Tensor, hidden: Tensor | None = None) -> Tensor:
        """The state after each event, shape (B, L, width)."""
        x = self.vectors(items, hidden)
        if self.kinds is not None:
            x = x + self.kinds(kinds) * (items < self.items)[..., None]
        x = functional.dropout(self.parts["enter"](x), self.config.dropout)
        if self.config.encoder == "transformer":
            for layer in range(self.config.layers):
                x = _through(self.blocks[layer], x, self.config.dropout)
        else:
            x = functional.dropout(self.parts["rnn"](x)[0], self.config.dropout)
        left: Tensor = self.parts["leave"](x)
        return left

    def loss(self, batch: Examples, negatives: Negatives) -> Tensor:
        """Mean over the targets of −log softmax(cosine / temperature) among target and negatives."""
        hidden = None if self.content is None else torch.rand(self.items + 1) < self.config.hidden
        asked = torch.from_numpy(batch.asked)
        states = self.states(torch.from_numpy(batch.items), torch.from_numpy(batch.kinds), hidden)
        states = states[asked.nonzero()[:, 0], torch.from_numpy(batch.known_at)[asked]]
        targets, kinds = torch.from_numpy(batch.targets)[asked], torch.from_numpy(batch.target_kinds)[asked]
        drawn, expected = torch.from_numpy(negatives.draw()), torch.from_numpy(negatives.expected)
        wanted = functional.normalize(self.vectors(targets, hidden), dim=-1)
        others = functional.normalize(self.vectors(drawn, hidden), dim=-1)
        losses = []
        for task in self.tasks:
            rows = torch.isin(kinds, torch.tensor(TASKS[task]))
            query = self.query(task, states[rows])
            right = (query * wanted[rows]).sum(dim=1) / self.config.temperature
            wrong = query @ others.T / self.config.temperature - expected[drawn]
            wrong = wrong.masked_fill(targets[rows, None] == drawn, -math.inf)
            losses.append((torch.logaddexp(right, wrong.logsumexp(dim=1)) - right).sum())
        return torch.stack(losses).sum() / max(len(targets), 1)

    def query(self, task: str, states: Tensor) -> Tensor:
        """The direction in which a task looks."""
        return functional.normalize(self.heads[task](states) if self.heads else states, dim=-1)

    def described(self) -> npt.NDArray[np.bool_]:
        """Which items have content, shape (items + 1,)."""
        if self.content is None:
            return np.zeros(self.items + 1, dtype=np.bool_)
        return self.content.abs().sum(dim=1).numpy() > 0

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """What scoring needs, as numpy: the vectors of all items, their bonus, and the weights."""
        with torch.no_grad():
            table = self.vectors(torch.arange(self.items + 1)).numpy().copy()
        bonus = np.where(self.seen.numpy() | self.described(), 0, -np.inf).astype(np.float32)
        weights = {
            f"{WEIGHT}{name}": value.numpy().copy()
            for name, value in self.parts.state_dict().items()
            if not name.startswith(("ids.", "content."))
        }
        return {"table": table, "bonus": bonus[:-1], **weights}


def tasks_of(data: Interactions) -> tuple[str, ...]:
    """The tasks that there are events for."""
    seen = set(np.unique(data.kinds).tolist())
    return tuple(task for task, kinds in TASKS.items() if seen & set(kinds))


def content_vectors(
    data: Interactions, start: Floats, config: SequenceConfig, rng: np.random.Generator
) -> Floats | None:
    """All features of the items side by side, shape (items, features); None where there are none or none is wanted."""
    found = [feature(data.catalogue, config.content_width, rng) for feature in FEATURES] if config.texts else []
    if config.texts:
        found.append(told_vectors(data, start))
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
        for rows in torch.split(seen[torch.randperm(len(seen))], IMAGES_AT_ONCE):
            loss = 1 - functional.cosine_similarity(network(scaled[rows]), wanted[rows]).mean()
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimiser.step()
    with torch.no_grad():
        return unit(torch.cat([network(rows) for rows in torch.split(scaled, IMAGES_AT_ONCE)]).numpy())


def _recurrent(config: SequenceConfig) -> nn.Module:
    kind = nn.GRU if config.encoder == "gru" else nn.LSTM
    between = config.dropout if config.layers > 1 else 0.0
    return kind(config.width, config.width, num_layers=config.layers, batch_first=True, dropout=between)


def _block(config: SequenceConfig) -> nn.ModuleDict:
    width = config.width
    distance = nn.Embedding(config.history, config.heads)
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
    apart = torch.arange(length)[:, None] - torch.arange(length)
    distances: Tensor = part["distance"](apart.clamp(min=0))
    heads = distances.shape[-1]
    parts: Tensor = part["attend"](part["before"](x))
    query, key, value = parts.view(rows, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
    bias = distances.permute(2, 0, 1).masked_fill(apart < 0, -math.inf)
    shares = (query @ key.transpose(-1, -2) * (width // heads) ** -0.5 + bias).softmax(dim=-1)
    mixed = (shares @ value).transpose(1, 2).reshape(rows, length, width)
    x = x + functional.dropout(part["mix"](mixed), drop)
    inner = functional.dropout(part["widen"](part["between"](x)).relu(), drop)
    return x + functional.dropout(part["narrow"](inner), drop)
