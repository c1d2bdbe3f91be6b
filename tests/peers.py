"""Other people's libraries, each in an environment of its own under .cache, which is made once for each set of pins."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".cache" / "peers"


def python(name: str, packages: tuple[str, ...]) -> str:
    """The interpreter of an environment that has these packages. Not for two processes at once."""
    place = FOLDER / name
    done, interpreter = place / "installed", place / "bin" / "python"
    if not done.is_file() or done.read_text() != "\n".join(packages):
        shutil.rmtree(place, ignore_errors=True)
        venv.create(place, with_pip=True)
        command = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        subprocess.run(command, check=True, stdout=sys.stderr)
        done.write_text("\n".join(packages))
    return str(interpreter)
