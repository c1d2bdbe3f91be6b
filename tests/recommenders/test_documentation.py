"""The page about writing a strategy shows one that works."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import numpy as np
import pytest

from recommenders.testing import tastes

PAGES = Path(__file__).parents[2] / "docs" / "strategies"
PAGE = PAGES / "index.md"


def test_the_strategy_on_the_page_is_trained_and_scores() -> None:
    code = next(
        block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S) if "class Popular" in block
    )
    names: dict[str, object] = {"__name__": "page"}
    exec(compile(code, str(PAGE), "exec", dont_inherit=True), names)  # as a reader would run it
    data = tastes(users=30)
    strategy = names["Popular"]()
    strategy.fit(data)
    assert strategy.score(data.batch([0, 1])).shape == (2, len(data.catalogue))
    again = type(strategy).restore(strategy.config, strategy.state(), data.catalogue)
    np.testing.assert_array_equal(again.score(data.batch([3])), strategy.score(data.batch([3])))


@pytest.mark.parametrize("page", [path for path in sorted(PAGES.glob("*.md")) if ">>> " in path.read_text()])
def test_what_a_page_shows_is_what_happens(page: Path) -> None:
    assert doctest.testfile(str(page), module_relative=False, optionflags=doctest.ELLIPSIS).failed == 0
