"""Reports read as tables, with an interval beside every figure that has one."""

from __future__ import annotations

import json
import re

from recommenders.offline.evaluation import evaluate
from recommenders.offline.rendering import to_json_text, to_markdown, to_text
from recommenders.strategies.ease import Ease, EaseConfig
from recommenders.strategies.user_knn import UserKnn
from recommenders.testing import tastes

REPORT = evaluate([UserKnn(), Ease(EaseConfig(max_items=3))], tastes(), k=5)


def test_text_has_every_section_and_no_nan() -> None:
    text = to_text(REPORT)
    for title in ("Accuracy at 5", "Lists of 5", "NDCG at 5 by slice", "Difference of NDCG at 5, paired by user"):
        assert title in text
    assert "240 users evaluated, 0 skipped" in text
    assert not re.search(r"\b(nan|inf)\b", text)
    assert max(map(len, text.splitlines())) < 200


def test_a_figure_stands_with_its_interval() -> None:
    figure = REPORT.strategy("user-knn").figure("rmse")
    written = f"{figure.value:.4f} [{figure.ci_low:.4f}, {figure.ci_high:.4f}]"
    assert written in to_text(REPORT)
    assert f"| {written} |" in to_markdown(REPORT)


def test_a_strategy_without_figures_has_its_reason() -> None:
    assert "ease: no figures. ease needs 0.0 GB for 60 items" in to_text(REPORT)


def test_markdown_tables_have_as_many_cells_in_every_row() -> None:
    blocks = [block for block in to_markdown(REPORT).split("\n\n") if block.startswith("|")]
    assert len(blocks) == 5
    for block in blocks:
        assert len({line.count("|") for line in block.splitlines()}) == 1


def test_json_text_is_json() -> None:
    assert json.loads(to_json_text(REPORT))["k"] == 5
