"""A scorer as an operator starts one: the file by its path, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER = Path(__file__).parents[2] / "recommenders" / "scorer" / "server.py"
FOLDER = Path(__file__).parent


class Scorer:
    """A process that can be killed and started again at the same address."""

    def __init__(self, model: str, *, python: str, folder: Path, options: tuple[str, ...], token: str) -> None:
        self.model, self.python, self.folder, self.options = model, python, folder, options
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "SCORER_TOKEN": token}
        self.port = 0

    def start(self) -> None:
        command = [self.python, "-W", "ignore", str(SERVER), self.model, "--port", str(self.port), *self.options]
        self.process = subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout
        said = self.process.stdout.readline()
        assert said, f"{' '.join(command)} did not start"
        self.port = int(said.rpartition(":")[2])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def running(
    model: str, *, python: str = sys.executable, folder: Path = FOLDER, options: tuple[str, ...] = (), token: str = ""
) -> Iterator[Scorer]:
    """A scorer on a free port."""
    scorer = Scorer(model, python=python, folder=folder, options=options, token=token)
    scorer.start()
    try:
        yield scorer
    finally:
        scorer.kill()
