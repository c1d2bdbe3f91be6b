"""``make simulate``: measure what is promised of error rates, and write the figures into docs/calibration.md."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from tests.simulation.figure import Figure

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "calibration.md"
NOT_TOPICS = ("__main__", "figure", "test_figures")


def topics() -> tuple[str, ...]:
    """The names of the modules that simulate something."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in NOT_TOPICS))


def main() -> int:
    """Run every topic and write the page; 1 where a figure misses its bar."""
    measured = []
    for topic in topics():
        start = time.monotonic()
        module = import_module(f"tests.simulation.{topic}")
        figures = module.run()
        measured.append(((module.__doc__ or topic).strip().splitlines()[0], figures))
        print(f"\n{topic} ({time.monotonic() - start:.0f} s)")
        for figure in figures:
            print(f"  {'ok  ' if figure.passed else 'MISS'} {figure.name:74} {written(figure.value):>9}  {bar(figure)}")
    PAGE.write_text("\n".join(page(measured)) + "\n", encoding="utf-8")
    missed = [figure for _, figures in measured for figure in figures if not figure.passed]
    print(f"\n{len(missed)} of {sum(len(figures) for _, figures in measured)} figures miss their bar")
    return 1 if missed else 0


def page(measured: list[tuple[str, tuple[Figure, ...]]]) -> Iterator[str]:
    """The page, topic by topic."""
    yield "# What the statistics keep of their promises"
    yield ""
    yield "Seeded simulations by `make simulate`, which writes this page; a test holds every figure to its bar. The bar"
    yield "is what the method promises, or a band around it that chance leaves seldom. Figures “for contrast” show what"
    yield "happens without the method. The same check on an installation's own data is `winnow calibrate`"
    yield "([A/A self-check](statistics/calibration-check.md))."
    for title, figures in measured:
        yield from ("", f"## {title.rstrip('.')}", "", "| figure | measured | bar | how |", "|:--|--:|:--|:--|")
        for figure in figures:
            yield f"| {figure.name} | {written(figure.value)} | {bar(figure)} | {figure.note} |"


def written(value: float) -> str:
    """Three significant digits; a share in percent.

    >>> written(0.0488), written(2.349)
    ('4.88%', '2.35')
    """
    return f"{100 * value:.3g}%" if -1 <= value <= 1 else f"{value:.3g}"


def bar(figure: Figure) -> str:
    """The bar in words."""
    low = written(figure.low) if figure.low > -math.inf else ""
    high = written(figure.high) if figure.high < math.inf else ""
    return f"{low} to {high}" if low and high else f"at least {low}" if low else f"at most {high}"


if __name__ == "__main__":
    sys.exit(main())
