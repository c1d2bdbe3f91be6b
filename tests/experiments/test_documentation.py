"""docs/statistics: every example runs, every page is in the index, every module has a page."""

import doctest
import re
from pathlib import Path

import pytest

from experiments.contracts import Reason
from experiments.health.checks import CHECKS
from experiments.verdict.change import POWER, Z_POWER

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "statistics"
PAGES = sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "index")
MODULES = sorted(path.stem for path in (ROOT / "experiments" / "stats").glob("*.py") if not path.stem.startswith("_"))

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+\.md)(?:#[^)]*)?\)")


def text(page: str) -> str:
    return (FOLDER / f"{page}.md").read_text(encoding="utf-8")


def failures(page: str, whole: str) -> str | None:
    """What the fenced examples of a page get wrong, at the page's own lines; "" for nothing, None without examples."""
    lines = [""] * (whole.count("\n") + 1)
    for fence in FENCE.finditer(whole):
        if fence[1] == "python" and ">>>" in fence[2]:
            first = whole[: fence.start(2)].count("\n")
            block = fence[2].splitlines()
            lines[first : first + len(block)] = block
    example = doctest.DocTestParser().get_doctest("\n".join(lines), {"__name__": page}, page, f"{page}.md", 0)
    if not example.examples:
        return None
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False).run(example, out=report.append)
    return "".join(report)


@pytest.mark.parametrize("page", PAGES)
def test_every_example_of_a_page_gives_what_it_says(page: str) -> None:
    assert failures(page, text(page)) in ("", None)


def test_a_wrong_example_is_noticed_where_it_stands() -> None:
    report = failures("page", "# Page\n\n```\n>>> 1\n2\n```\n\n```python\n>>> 1 + 1\n3\n\n```\n")
    assert report is not None
    assert 'File "page.md", line 9' in report
    assert "Expected:\n    3\nGot:\n    2" in report
    assert failures("page", "# Page\n\n```python\n>>> 1 + 1\n2\n\n```\n") == ""
    assert failures("page", "# Page\n\n```\ny = x\n```\n") is None


def test_the_newer_pages_have_an_example() -> None:
    """Closed forms that their docstrings show, and the table of checks, have none."""
    without = {page for page in PAGES if failures(page, text(page)) is None}
    assert without <= {"comparison", "moments", "ratio-metrics", "relative-lift", "split-check", "trust"}


@pytest.mark.parametrize("page", PAGES)
def test_fences_are_closed(page: str) -> None:
    assert text(page).count("\n```") % 2 == 0


def test_every_page_is_linked_in_the_index() -> None:
    assert set(PAGES) <= {name.removesuffix(".md") for name in LINK.findall(text("index"))}


@pytest.mark.parametrize("page", ["index", *PAGES])
def test_links_between_pages_lead_somewhere(page: str) -> None:
    lost = [name for name in LINK.findall(text(page)) if not name.startswith("http") and not (FOLDER / name).exists()]
    assert lost == []


@pytest.mark.parametrize("page", PAGES)
def test_every_page_speaks_to_a_product_manager_and_to_an_engineer(page: str) -> None:
    """The page of the trust checks has a section per check instead."""
    assert text(page).startswith("# ")
    if page != "trust":
        assert "**For a product manager.**" in text(page)
        assert "**For an engineer.**" in text(page)


@pytest.mark.parametrize("module", MODULES)
def test_every_module_of_the_statistics_is_named_on_a_page(module: str) -> None:
    named = re.compile(rf"\bstats\.{module}\b|`{module}\.\w+|experiments/stats/{module}\.py")
    assert any(named.search(text(page)) for page in ["index", *PAGES]), module


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_explained(reason: Reason) -> None:
    assert f"| `{reason}` |" in text("index")


def test_every_health_check_has_its_heading() -> None:
    headings = re.findall(r"^## `(\w+)`", text("trust"), re.MULTILINE)
    assert {key for key, _ in CHECKS} <= set(headings)


def test_the_power_that_pages_quote_is_the_one_that_is_used() -> None:
    assert (POWER, round(Z_POWER, 3)) == (0.8, 0.842)
    assert ".842" in text("verdict")
