"""Files of sequences are read as they are written, and their mistakes are said."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from recommenders.data.sequences import load_sequences
from recommenders.errors import InvalidData

LINES = "u2 a b a\n\nu1\tc  a\n"


def test_users_items_and_their_order_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text(LINES)
    with gzip.open(tmp_path / "packed.txt.gz", "wt") as file:
        file.write(LINES)
    for name in ("plain.txt", "packed.txt.gz"):
        data = load_sequences(tmp_path / name)
        assert data.user_ids == ("u2", "u1")
        assert data.catalogue.ids == ("a", "b", "c")
        assert data.users.tolist() == [0, 0, 0, 1, 1]
        assert data.items.tolist() == [0, 1, 0, 2, 0]
        assert data.times.tolist() == [0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "has no line with a user and items"),
        ("\n  \n", "has no line with a user and items"),
        ("u1 a\nu2\n", "line 2: user 'u2' has no item"),
        ("u1 a\nu2 b\nu1 c\n", "line 3: user 'u1' has a line already"),
    ],
)
def test_a_mistake_is_said_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "some.txt").write_text(content)
    with pytest.raises(InvalidData, match=said):
        load_sequences(tmp_path / "some.txt")


def test_a_file_that_is_absent_or_no_text_or_not_packed_is_said(tmp_path: Path) -> None:
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe u1 a")
    (tmp_path / "plain.gz").write_text("u1 a")
    whole = gzip.compress(b"u1 a b c d e f\n" * 50)
    (tmp_path / "cut.gz").write_bytes(whole[: len(whole) // 2])
    for name in ("absent.txt", "binary.txt", "plain.gz", "cut.gz"):
        with pytest.raises(InvalidData, match=f"file: {name} cannot be read"):
            load_sequences(tmp_path / name)
