"""Matrix factorisation of the library implicit, as a model for Winnow's scorer."""

import numpy as np
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix


class Als:
    """Users are folded in from the history of the request, so those that training did not see are served too."""

    def __init__(self, config, items):
        self.items = items
        self.model = AlternatingLeastSquares(
            factors=config.get("factors", 256), alpha=config.get("alpha", 1.0), iterations=15, num_threads=1
        )

    def fit(self, data, *, users, seed, budget, progress):
        rounds = self.model.iterations
        self.model.random_state = seed
        self.model.fit(
            self.taken(data["users"], data["items"], users),
            show_progress=False,
            callback=lambda done, *_: progress((done + 1) / rounds, "rounds of least squares"),
        )

    def score(self, batch):
        users = np.arange(len(batch["users"]))
        rows = np.repeat(users, np.diff(batch["offsets"]))
        factors = self.model.recalculate_user(users, self.taken(rows, batch["items"], len(users)))
        return factors @ self.model.item_factors.T

    def state(self):
        return {"factors": self.model.item_factors}

    def restore(self, state):
        self.model.item_factors = np.ascontiguousarray(state["factors"])

    def taken(self, rows, items, count):
        matrix = csr_matrix((np.ones(len(rows), np.float32), (rows, items)), shape=(count, self.items))
        matrix.data[:] = 1  # once, however often
        return matrix
