"""Where a long training has got to, on disk, so that one that is killed goes on instead of beginning again."""

from __future__ import annotations

import os
import shutil
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[np.generic]]

PLACE = "place.npz"
LEAST_APART = 1.0  # seconds between two places
COST = 0.01  # of the time, at most, for writing
KEPT = 7 * 24 * 3600.0  # seconds; what nobody came back for is removed


class Checkpoint:
    """A folder in which a training leaves its place: arrays, without pickle. Writing takes a hundredth of the time.

    A place is checked when it is read, so nothing waits for the disk: what a power cut tears apart is no place.

    >>> import tempfile
    >>> checkpoint = Checkpoint(Path(tempfile.mkdtemp()) / "sequence")
    >>> checkpoint.read() is None
    True
    >>> checkpoint.write({"step": np.array(7)})
    >>> int(checkpoint.read()["step"])
    7
    >>> checkpoint.remove()
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written, self.cost = time.monotonic(), 0.0

    def part(self, name: str) -> Checkpoint:
        """The checkpoint of a part of this training."""
        return Checkpoint(self.folder / name)

    def due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() - self.written >= max(LEAST_APART, self.cost / COST)

    def write(self, arrays: Arrays) -> None:
        """Leave this place instead of the one before. Whoever dies in the middle of it leaves the one before."""
        began = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder / f"{os.getpid()}.draft"
        with draft.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        draft.replace(self.folder / PLACE)
        self.written = time.monotonic()
        self.cost = self.written - began

    def read(self) -> Arrays | None:
        """The place that was left; None where there is none, or none that can be read."""
        try:
            with (self.folder / PLACE).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            self.remove()
            return None

    def remove(self) -> None:
        """It is not needed any more."""
        shutil.rmtree(self.folder, ignore_errors=True)


def sweep(root: Path) -> None:
    """Remove what trainings left that nobody continued for a week."""
    for folder in root.iterdir() if root.is_dir() else ():
        if time.time() - folder.stat().st_mtime > KEPT:
            shutil.rmtree(folder, ignore_errors=True)
