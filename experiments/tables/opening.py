"""From a path to a plain CSV or Parquet file and its columns. The content decides, not the name."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from experiments.errors import InvalidTable

FIRST_BLOCK = 1_000_000  # bytes; a header that does not end in it is no header
LONGEST_ROW = 2_000_000  # bytes, as the engine has it
DELIMITERS = ",;\t|"
PLAIN_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A plain file that an engine can read. ``columns`` is empty for Parquet, which names its own."""

    name: str
    path: Path
    workspace: Path
    parquet: bool
    columns: tuple[str, ...] = ()
    delimiter: str = ","


@contextmanager
def open_table(path: Path) -> Iterator[Opened]:
    """Unpack if needed, and read the header. Raises InvalidTable; what was unpacked is removed at the end."""
    if not path.exists():
        raise InvalidTable(f"{path} does not exist")
    if path.is_dir():
        raise InvalidTable(f"{path} is a directory; name one CSV or Parquet file")
    with tempfile.TemporaryDirectory(prefix="winnow-") as folder:
        try:
            plain = _plain_file(path, Path(folder))
            with plain.open("rb") as file:
                block = file.read(FIRST_BLOCK)
        except OSError as error:
            raise InvalidTable(f"{path} cannot be read: {error.strerror or error}") from None
        yield _opened(path, plain, Path(folder), block)


def _plain_file(path: Path, folder: Path) -> Path:
    # a name of ours: the engine would expand * and [ in the user's
    plain = folder / "table"
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] == b"\x1f\x8b":
        with gzip.open(path) as packed:
            _unpack(path, packed, plain)
    elif start == b"PK\x03\x04":
        _unzip(path, plain)
    else:
        plain.symlink_to(path.resolve())
    return plain


def _unpack(path: Path, packed: IO[bytes] | gzip.GzipFile, plain: Path) -> None:
    try:
        with plain.open("wb") as file:
            shutil.copyfileobj(packed, file, 1 << 20)
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise InvalidTable(f"{path} is damaged or cut off and cannot be unpacked: {error}") from None


def _unzip(path: Path, plain: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not _is_side_file(name)]
            if len(names) != 1:
                names = [name for name in names if name.lower().endswith(PLAIN_SUFFIXES)]
            if len(names) != 1:
                held = ", ".join(names) or "none"
                raise InvalidTable(f"{path} must hold exactly one CSV or Parquet file, it holds: {held}")
            with archive.open(names[0]) as packed:
                _unpack(path, packed, plain)
    except zipfile.BadZipFile as error:
        raise InvalidTable(f"{path} is damaged or cut off and cannot be unpacked: {error}") from None
    except (RuntimeError, NotImplementedError) as error:  # a password, or a method that Python lacks
        raise InvalidTable(f"{path} cannot be unpacked: {error}") from None


def _is_side_file(name: str) -> bool:
    parts = Path(name).parts
    return name.endswith("/") or parts[0] == "__MACOSX" or parts[-1].startswith(".")


def _opened(path: Path, plain: Path, folder: Path, block: bytes) -> Opened:
    name = path.name
    if not block:
        raise InvalidTable(f"{path} is empty")
    if block.startswith(b"PAR1"):
        return Opened(name=name, path=plain, workspace=folder, parquet=True)
    text = _text(path, block)
    _check_rows_end(path, plain)
    delimiter, columns = _header(path, text, cut=len(block) == FIRST_BLOCK)
    return Opened(name=name, path=plain, workspace=folder, parquet=False, columns=columns, delimiter=delimiter)


def _check_rows_end(path: Path, plain: Path) -> None:
    """The engine refuses rows of 2 MB, but silently leaves out a row that is longer than its buffer."""
    lines = 0
    with plain.open("rb") as file:
        while block := file.read(LONGEST_ROW):
            if len(block) == LONGEST_ROW and b"\n" not in block and b"\r" not in block:
                where = f"near row {lines}" if lines else "the header"
                raise InvalidTable(f"{path}, {where}: a line is longer than {LONGEST_ROW:,} bytes; is this a CSV file?")
            lines += block.count(b"\n")


def _text(path: Path, block: bytes) -> str:
    if block.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidTable(f"{path} is UTF-16; save it as UTF-8")
    if b"\0" in block:
        raise InvalidTable(f"{path} is neither CSV nor Parquet (plain, .gz or .zip)")
    try:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(block)
    except UnicodeDecodeError as error:
        row = block.count(b"\n", 0, error.start)
        where = f"row {row}" if row else "the header"
        raise InvalidTable(
            f"{path}, {where}: byte {error.object[error.start]:#04x} is not UTF-8; save it as UTF-8"
        ) from None


def _header(path: Path, text: str, *, cut: bool) -> tuple[str, tuple[str, ...]]:
    if cut and "\n" not in text and "\r" not in text:
        raise InvalidTable(f"{path}, the header: a line is longer than {FIRST_BLOCK:,} bytes; is this a CSV file?")
    records = {delimiter: _first_records(path, text, delimiter) for delimiter in DELIMITERS}
    delimiter = max(records, key=lambda one: _fit(records[one]))
    header = records[delimiter][0]
    if not any(name.strip() for name in header):
        raise InvalidTable(f"{path}, the header: the first line must name the columns, it is empty")
    # the index that pandas writes has no name
    columns = tuple(name.strip() or f"column {position}" for position, name in enumerate(header, start=1))
    seen: dict[str, str] = {}
    for name in columns:
        if name.casefold() in seen:
            raise InvalidTable(
                f"{path}, the header: two columns are named “{seen[name.casefold()]}” and “{name}”;"
                " names must differ, and not in case only"
            )
        seen[name.casefold()] = name
    return delimiter, columns


def _first_records(path: Path, text: str, delimiter: str) -> tuple[list[str], list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return next(reader, []), next(reader, [])
    except csv.Error as error:
        raise InvalidTable(f"{path}, the header: {error}") from None


def _fit(records: tuple[list[str], list[str]]) -> tuple[bool, int]:
    """A delimiter is right where it finds columns, and as many in the first row as in the header."""
    header, first = records
    return len(header) > 1 and len(header) == len(first), len(header)
