"""Typed readers of environment variables, and the folder in which an installation keeps its state."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir


class BadSetting(ValueError):
    """An environment variable has a value that breaks its rule."""


def text(name: str, default: str) -> str:
    """The variable, or the default where it is unset or empty."""
    return os.environ.get(name) or default


def flag(name: str, *, default: bool) -> bool:
    """A yes/no variable."""
    raw = os.environ.get(name, "").strip().lower()
    if not raw:
        return default
    if raw in {"1", "true", "yes", "on"}:
        return True
    if raw in {"0", "false", "no", "off"}:
        return False
    raise BadSetting(f"{name} = {raw!r}, must be one of 1, 0, true, false, yes, no, on, off")


def number(name: str, default: int) -> int:
    """A whole number above 0."""
    raw = text(name, str(default))
    if not raw.isascii() or not raw.isdigit() or int(raw) == 0:
        raise BadSetting(f"{name} = {raw!r}, must be a whole number above 0")
    return int(raw)


def words(name: str, default: str) -> list[str]:
    """A comma-separated variable."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def home() -> Path:
    """The folder that holds database, lake, secret and imported data."""
    folder = Path(text("WINNOW_HOME", "winnow-data")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def secret_key(folder: Path) -> str:
    """The signing key: from WINNOW_SECRET_KEY, else one that is made once and kept in the home folder."""
    given = os.environ.get("WINNOW_SECRET_KEY")
    if given:
        return given
    path = folder / "secret_key"
    if not path.exists():
        # Two processes may start at once: each writes a whole file of its own, and one of them gets the name.
        draft = folder / f".secret_key-{os.getpid()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(50))
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text()


def runtime_folder(folder: Path) -> Path:
    """A short private folder for sockets and locks of this home (socket paths must stay below 108 bytes)."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or gettempdir())
    name = sha256(str(folder).encode()).hexdigest()[:12]
    path = base / f"winnow-{os.getuid()}-{name}"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.stat().st_uid != os.getuid():
        raise BadSetting(f"{path} belongs to somebody else; set XDG_RUNTIME_DIR to a folder of your own")
    return path
