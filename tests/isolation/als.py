"""Matrix factorisation of the library implicit, as a model for Winnow's scorer."""

import numpy as np
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix


class Als:
    """Users are folded in from the history of the request, so those that training did not see are served too."""

    def __init__(self, config, items):
        self.items = items
        self.model = AlternatingLeastSquares(
            factors=config.get("factors", 64), iterations=config.get("iterations", 15), num_threads=1
        )

    def fit(self, data, *, users, seed, budget, progress):
        taken = csr_matrix((np.ones(len(data["users"])), (data["users"], data["items"])), shape=(users, self.items))
        taken.data[:] = 1
        self.model.random_state = seed
        rounds = self.model.iterations
        self.model.fit(taken, show_progress=False, callback=lambda done, *_: progress((done + 1) / rounds, "rounds"))

    def score(self, batch):
        rows = np.repeat(np.arange(len(batch["users"])), np.diff(batch["offsets"]))
        taken = csr_matrix((np.ones(len(rows)), (rows, batch["items"])), shape=(len(batch["users"]), self.items))
        taken.data[:] = 1
        users = [self.model.recalculate_user(0, row) for row in taken] or np.zeros((0, self.model.factors))
        return np.asarray(users) @ self.model.item_factors.T

    def state(self):
        return {"factors": self.model.item_factors}

    def restore(self, state):
        self.model.item_factors = np.ascontiguousarray(state["factors"], dtype=np.float32)
