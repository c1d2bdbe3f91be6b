"""What an installation gets."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_wheel_holds_the_three_packages_and_nothing_named_platform(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("winnow_platform-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {
        "winnow",
        "experiments",
        "recommenders",
    }
    assert "winnow/locale/zh_Hans/LC_MESSAGES/django.mo" in names
    assert not [name for name in names if name.endswith(".po")]  # nothing is left to compile where it is installed
    assert "winnow/web/templates/base.html" in names


def test_platform_is_a_source_root_and_no_package():
    assert not (ROOT / "platform" / "__init__.py").exists()
    assert [path.name for path in (ROOT / "platform").iterdir() if path.name != "__pycache__"] == ["winnow"]
