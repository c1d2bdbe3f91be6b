"""Models for the scorer that need numpy alone; some of them break a rule."""

from __future__ import annotations

import time

import numpy as np


class Pairs:
    """Items taken by the same users: counts."""

    def __init__(self, config, items):
        self.items, self.power = items, config.get("power", 1.0)

    def fit(self, data, *, users, seed, budget, progress):
        taken = np.zeros((users, self.items), dtype=np.float32)
        taken[data["users"], data["items"]] = 1
        progress(0.5, "counting")
        self.counts = (taken.T @ taken) ** self.power
        self.texts = "item_texts" in data

    def score(self, batch):
        history = np.zeros((len(batch["users"]), self.items), dtype=np.float32)
        history[np.repeat(np.arange(len(history)), np.diff(batch["offsets"])), batch["items"]] = 1
        return history @ self.counts

    def state(self):
        return {"counts": self.counts}

    def restore(self, state):
        self.counts = state["counts"]


class Faulty(Pairs):
    """Does what ``settings`` say is wrong."""

    def __init__(self, config, items):
        super().__init__(config, items)
        self.fault = config.get("fault", "")

    def fit(self, data, *, users, seed, budget, progress):
        if self.fault == "slow training":
            for step in range(1_000):
                progress(step / 1_000, "waiting")
                time.sleep(0.02)
        if self.fault == "refuses":
            raise ValueError("needs ratings")
        if self.fault == "breaks":
            raise RuntimeError("segment 7")
        super().fit(data, users=users, seed=seed, budget=budget, progress=progress)

    def score(self, batch):
        scores = super().score(batch)
        if self.fault == "nan":
            scores[0, 0] = np.nan
        if self.fault == "slow":
            time.sleep(2)
        if self.fault == "raises":
            raise RuntimeError("segment 8")
        return scores[:, 1:] if self.fault == "shape" else scores

    def state(self):
        return {"counts": np.array([object()])} if self.fault == "objects" else super().state()
