"""Where the training of a sequence model is, as arrays: to go on from there as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from recommenders.contracts import Interactions
from recommenders.strategies.sequence_config import SequenceConfig
from recommenders.strategies.sequence_course import Best, Clock, Course
from recommenders.strategies.sequence_windows import Examples, batches

Arrays = Mapping[str, npt.NDArray[np.generic]]

NUMBERS, TORCH, MODEL, OPTIMISER, BEST = "numbers", "torch", "model/", "optimiser", "best/"


class Passes:
    """Batches without an end, pass after pass, whose place can be told and found again."""

    def __init__(self, data: Interactions, config: SequenceConfig, rng: np.random.Generator) -> None:
        self.data, self.config, self.rng = data, config, rng
        self._begin()

    def next(self) -> Examples:
        """The next batch."""
        batch = next(self._batches, None)
        if batch is None:
            self._begin()
            batch = next(self._batches)
        self.done += 1
        return batch

    def go_on(self, begun: Mapping[str, object], done: int) -> None:
        """Go to where ``done`` batches were given of the pass that began with this state of ``rng``."""
        self.rng.bit_generator.state = begun
        self._begin()
        for _ in range(done):
            self.next()

    def _begin(self) -> None:
        self.begun, self.done = self.rng.bit_generator.state, 0  # a pass draws only before its first batch
        self._batches = batches(self.data, self.config.history, self.config.batch, self.rng)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Running:
    """All that changes from step to step."""

    model: nn.Module
    optimisers: tuple[torch.optim.Optimizer, ...]
    passes: Passes
    course: Course
    clock: Clock
    best: Best


def place_of(running: Running) -> Arrays:
    """This place. Torch's own source of random numbers belongs to it."""
    numbers = {
        "course": vars(running.course),
        "clock": running.clock.spent(),
        "best": [running.best.ndcg, running.best.step],
        "pass": [running.passes.begun, running.passes.done],
        "rng": running.passes.rng.bit_generator.state,
    }
    arrays: dict[str, npt.NDArray[np.generic]] = {
        NUMBERS: np.frombuffer(json.dumps(numbers).encode(), dtype=np.uint8),
        TORCH: torch.get_rng_state().numpy(),
    }
    arrays |= {f"{MODEL}{name}": value.numpy() for name, value in running.model.state_dict().items()}
    arrays |= {f"{BEST}{name}": value for name, value in running.best.arrays.items()}
    for number, optimiser in enumerate(running.optimisers):
        for index, values in optimiser.state_dict()["state"].items():
            arrays |= {f"{OPTIMISER}{number}/{index}/{name}": np.asarray(value) for name, value in values.items()}
    return arrays


def go_on_from(running: Running, place: Arrays) -> None:
    """Bring what was just begun to this place."""
    numbers = json.loads(place[NUMBERS].tobytes())
    running.model.load_state_dict({name: torch.from_numpy(value) for name, value in _below(place, MODEL).items()})
    for number, optimiser in enumerate(running.optimisers):
        state: dict[int, dict[str, object]] = {}
        for path, value in _below(place, f"{OPTIMISER}{number}/").items():
            index, _, name = path.partition("/")
            state.setdefault(int(index), {})[name] = _as_optimiser(value)
        optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
    running.best.arrays = _below(place, BEST)
    running.best.ndcg, running.best.step = numbers["best"]
    for name, value in numbers["course"].items():
        setattr(running.course, name, value)
    running.clock.go_on(*numbers["clock"])
    running.passes.go_on(*numbers["pass"])
    running.passes.rng.bit_generator.state = numbers["rng"]
    torch.set_rng_state(torch.from_numpy(place[TORCH]))


def _below(place: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): value for name, value in place.items() if name.startswith(prefix)}


def _as_optimiser(value: npt.NDArray[np.generic]) -> object:
    if value.ndim == 0 and value.dtype.kind == "i":  # one of the two counts its steps in a plain number
        return int(value)
    # a copy in torch's own memory: sums may differ in the last digit where arrays are aligned in another way
    return torch.from_numpy(value).clone()
