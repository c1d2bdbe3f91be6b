"""Settings are documented, read with their types, and wrong ones named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from winnow import environment

ROOT = Path(__file__).parents[2]


def test_every_setting_has_its_heading_and_every_heading_its_setting():
    code = "\n".join(path.read_text() for path in (ROOT / "platform").rglob("*.py"))
    read = set(re.findall(r'"(WINNOW_[A-Z_]+)"', code))
    documented = set(re.findall(r"^## (WINNOW_[A-Z_]+)$", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))
    assert read == documented


@pytest.mark.parametrize(("raw", "value"), [("1", True), ("Yes", True), ("off", False), ("0", False), ("", None)])
def test_a_yes_or_no_is_read(monkeypatch, raw, value):
    monkeypatch.setenv("WINNOW_X", raw)
    assert environment.flag("WINNOW_X", default=True) is (True if value is None else value)


def test_a_wrong_yes_or_no_is_named(monkeypatch):
    monkeypatch.setenv("WINNOW_X", "perhaps")
    with pytest.raises(environment.BadSetting, match="WINNOW_X = 'perhaps', must be one of 1, 0"):
        environment.flag("WINNOW_X", default=False)


@pytest.mark.parametrize("raw", ["x", "0", "-1", "1.5", "٣"])
def test_a_wrong_number_is_named(monkeypatch, raw):
    monkeypatch.setenv("WINNOW_X", raw)
    with pytest.raises(environment.BadSetting, match=f"WINNOW_X = '{raw}', must be a whole number above 0"):
        environment.number("WINNOW_X", 2)


def test_the_signing_key_is_made_once_and_private(tmp_path, monkeypatch):
    monkeypatch.delenv("WINNOW_SECRET_KEY", raising=False)
    key = environment.secret_key(tmp_path)
    assert len(key) > 50
    assert environment.secret_key(tmp_path) == key
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]
