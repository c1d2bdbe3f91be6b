"""The ten best new items of every user: our item-knn against implicit's in one run, each with one thread.

Amazon Beauty where WINNOW_TEST_DATA has it, otherwise generated events of its size. implicit is installed into an
environment of its own under .cache, never into Winnow's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tests.benchmarks.figures import median, report

if TYPE_CHECKING:  # implicit's process does without
    from recommenders.contracts import Interactions

USERS, ITEMS, MEAN = 22_363, 12_101, 7.9
RUNS = 7
BLOCK = 128  # users that are scored at once
THEIRS = ("cosine 20", "cosine 200", "als")

Cost = tuple[float, float]  # seconds on the clock and of the processor
Peer = Callable[[str], Cost]


def main() -> None:
    from recommenders.ranking import top_k
    from recommenders.strategies.item_knn import ItemKnn, ItemKnnConfig

    data, source = events()
    ours: dict[int, Callable[[], None]] = {}

    def ranking(strategy: ItemKnn, data: Interactions) -> Callable[[], None]:
        def rank() -> None:
            for begin in range(0, USERS, BLOCK):
                batch = data.batch(np.arange(begin, min(begin + BLOCK, USERS)))
                top_k(strategy.score(batch), 10, excluded=(batch.rows, batch.items))

        return rank

    for neighbours in (20, 200):
        strategy = ItemKnn(ItemKnnConfig(neighbours=neighbours))
        strategy.fit(data)
        ours[neighbours] = ranking(strategy, data)
    costs: dict[str, list[Cost]] = {name: [] for name in (*THEIRS, "20", "200")}
    with tempfile.TemporaryDirectory(prefix="winnow-bench-") as folder:
        path = Path(folder) / "events.npz"
        np.savez(path, users=data.users, items=data.items)
        with peer(path) as theirs:
            for run in range(RUNS + 1):  # in turn, so that a change of the machine's speed meets all
                found = {name: theirs(name) for name in THEIRS} | {str(n): cost(ours[n]) for n in ours}
                for name, one in found.items():
                    costs[name] += [one] if run else []  # the first is for the caches
    print_costs(costs, source)


def print_costs(costs: dict[str, list[Cost]], source: str) -> None:
    clock, cpu = ({name: median([one[i] for one in runs]) for name, runs in costs.items()} for i in (0, 1))
    load = os.getloadavg()[0]
    report("users, items", f"{USERS:,}, {ITEMS:,}", f"{source}; load of the machine {load:.1f}")
    for n in ("20", "200"):
        note = f"on the clock, median of {RUNS}"
        report(f"item-knn, {n} neighbours: the ten best of all", f"{clock[n]:.2f} s", note)
        report(f"implicit, cosine, {n} neighbours", f"{clock[f'cosine {n}']:.2f} s", note)
        ratio = clock[n] / clock[f"cosine {n}"]
        report(f"item-knn / implicit, {n} neighbours", f"{ratio:.2f}", "aim: at most 1")
        report("the same by CPU", f"{cpu[n] / cpu[f'cosine {n}']:.2f}", "less disturbed by what else runs")
    report("implicit, ALS with 64 factors", f"{clock['als']:.2f} s", "")


def events() -> tuple[Interactions, str]:
    """What users did without their last event, and where it is from."""
    from recommenders.contracts import Interactions, Items
    from recommenders.data.sequences import load_sequences
    from recommenders.offline.splits import leave_last_out

    path = Path(os.environ.get("WINNOW_TEST_DATA", "")) / "amazon_beauty.txt.gz"
    if path.is_file():
        return leave_last_out(load_sequences(path)).train, "Amazon Beauty"
    rng = np.random.default_rng(1)
    counts = 4 + rng.geometric(1 / (MEAN - 3), USERS) - 1
    who = np.repeat(np.arange(USERS), counts)
    # most of a user's items are near each other, popular ones first
    home = rng.integers(ITEMS // 50, size=USERS)[who] * 50
    near = home + np.minimum(rng.geometric(0.08, who.size) - 1, 49)
    popular = np.minimum((rng.pareto(0.9, who.size) * 30).astype(np.int64), ITEMS - 1)
    what = np.where(rng.random(who.size) < 0.6, near, popular * 7 % ITEMS)
    catalogue = Items(ids=tuple(map(str, range(ITEMS))))
    ids = [str(user) for user in range(USERS)]
    return Interactions.build(users=who, items=what, catalogue=catalogue, user_ids=ids), "generated"


def cost(work: Callable[[], object]) -> Cost:
    started, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - busy


@contextmanager
def peer(path: Path) -> Iterator[Peer]:
    """A process of implicit's; calling it ranks for all users with one of its models."""
    from tests.isolation import environment

    command = [environment.python(), "-W", "ignore", "-m", "tests.benchmarks.top_k", str(path)]
    single = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=single
    ) as process:
        assert process.stdin
        assert process.stdout
        lines, answers = process.stdin, process.stdout

        def rank(name: str) -> Cost:
            lines.write(f"{name}\n")
            clock, cpu = map(float, answers.readline().split())
            return clock, cpu

        try:
            yield rank
        finally:
            lines.close()


def answer(path: str) -> None:
    """Rank for all users with the model that each line names."""
    from implicit.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import CosineRecommender
    from scipy.sparse import csr_matrix

    with np.load(path) as stored:
        users, items = stored["users"], stored["items"]
    taken = csr_matrix((np.ones(len(users), np.float32), (users, items)), shape=(USERS, ITEMS))
    taken.data[:] = 1
    models = {
        "cosine 20": CosineRecommender(K=20, num_threads=1),
        "cosine 200": CosineRecommender(K=200, num_threads=1),
        "als": AlternatingLeastSquares(factors=64, iterations=5, num_threads=1, random_state=0),
    }
    for model in models.values():
        model.fit(taken, show_progress=False)
    everybody = np.arange(USERS)
    for line in sys.stdin:
        model = models[line.strip()]
        spent = cost(lambda: model.recommend(everybody, taken, N=10, filter_already_liked_items=True))  # noqa: B023
        print(*spent, flush=True)


if __name__ == "__main__":
    answer(sys.argv[1]) if len(sys.argv) > 1 else main()
