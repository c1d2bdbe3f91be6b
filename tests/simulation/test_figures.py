"""Every simulated figure meets its bar."""

from __future__ import annotations

from importlib import import_module

import pytest

from tests.simulation.__main__ import PAGE, topics

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("topic", topics())
def test_every_figure_meets_its_bar_and_is_on_the_page(topic: str) -> None:
    figures = import_module(f"tests.simulation.{topic}").run()
    assert figures
    assert [(figure.name, figure.value) for figure in figures if not figure.passed] == []
    page = PAGE.read_text(encoding="utf-8")
    assert [figure.name for figure in figures if f"| {figure.name} |" not in page] == []
