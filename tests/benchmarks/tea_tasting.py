"""10⁷ users, one row each: from a Parquet file to a report, against tea-tasting on DuckDB doing the same.

The users are generated. tea-tasting is installed into an environment of its own under .cache, never into Winnow's.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

USERS = int(os.environ.get("WINNOW_BENCH_USERS", 10_000_000))
RUNS = 7
PEER = Path(__file__).parents[2] / ".cache" / "peers" / "tea-tasting"
PACKAGES = ("tea-tasting==1.14.0", "ibis-framework[duckdb]==12.0.0")
AIM = 0.55

UNIFORM = ", ".join(f"(hash(7 * i + {k}) >> 11) / 9007199254740992.0 AS u{k}" for k in range(7))
GENERATED = f"""
WITH numbers AS (
  SELECT i, {UNIFORM} FROM range({USERS}) AS r(i)
), users AS (
  SELECT *, u0 < 0.5 AS treated, 1 + floor(30 * u1) AS views, -100 * ln(1 - u2) AS before FROM numbers
)
SELECT
  i AS user_id,
  if(treated, 'treatment', 'control') AS arm,
  floor(views * (0.02 + 0.2 * u3))::INTEGER AS clicks,
  views::INTEGER AS views,
  (u4 < if(treated, 0.051, 0.05))::INTEGER AS converted,
  (u5 < 0.3)::INTEGER AS participated,
  if(u4 < 0.2, round(0.5 * before - 50 * ln(1 - u6), 2), 0)::DOUBLE AS revenue,
  round(before, 2)::DOUBLE AS revenue_before
FROM users
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="winnow-bench-") as folder:
        path = Path(folder) / "users.parquet"
        process = multiprocessing.get_context("spawn").Process(target=fill, args=(path,))  # its memory is not ours
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit("the users could not be generated")
        measure(path)


def fill(path: Path) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"COPY ({GENERATED}) TO '{path}' (FORMAT parquet)")


def measure(path: Path) -> None:
    from dataclasses import replace

    from experiments.tables import Ratio, TableSpec, analyze_table
    from tests.benchmarks.figures import median, peak_megabytes, report

    one = TableSpec(
        arm="arm",
        control="control",
        binary=("converted", "participated"),
        money=("revenue",),
        ratios=(Ratio(name="ctr", numerator="clicks", denominator="views"),),
        own_covariates={"revenue": ("revenue_before",)},
    )
    every = replace(one, own_covariates={}, covariates=("revenue_before",))
    found = analyze_table(path, one)
    with peer(path) as theirs:
        effect, _ = theirs()
        if abs(found.metrics[0].comparisons[0].effect - effect) > 1e-9 * abs(effect):
            raise SystemExit(f"conversion differs by {found.metrics[0].comparisons[0].effect} and by {effect}")
        seconds: dict[str, list[float]] = {"ours": [], "theirs": [], "every": []}
        for _ in range(RUNS):  # in turn, so that a change of the machine's speed meets all
            seconds["theirs"].append(theirs()[1])
            seconds["ours"].append(timed(lambda: analyze_table(path, one)))
            seconds["every"].append(timed(lambda: analyze_table(path, every)))
    ours, their, adjusted = (median(seconds[name]) for name in ("ours", "theirs", "every"))
    note = f"on the clock, median of {RUNS}"
    report("users", f"{USERS:,}", "CTR, conversion, participation, revenue adjusted by earlier revenue; generated")
    report("tea-tasting on DuckDB: Parquet to results", f"{their:.3f} s", note)
    report("Parquet to report", f"{ours:.3f} s", note)
    report("Parquet to report / tea-tasting", f"{ours / their:.2f}", f"aim: at most {AIM}")
    report("the same, every metric adjusted / tea-tasting", f"{adjusted / their:.2f}", "which adjusts revenue only")
    report("peak memory", f"{peak_megabytes():.0f} MB", "the whole process")


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@contextmanager
def peer(path: Path) -> Iterator[Callable[[], tuple[float, float]]]:
    """A process of tea-tasting's; calling it analyses the file and returns the effect on conversion and seconds."""
    command = [python(), "-m", "tests.benchmarks.tea_tasting", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin
        assert process.stdout
        lines, answers = process.stdin, process.stdout

        def analyse() -> tuple[float, float]:
            lines.write("\n")
            lines.flush()
            # DuckDB may draw a bar of progress between the answers
            for line in answers:
                if line.startswith("found "):
                    _, effect, seconds = line.split()
                    return float(effect), float(seconds)
            raise SystemExit("tea-tasting ended without an answer")

        try:
            yield analyse
        finally:
            lines.close()


def python() -> str:
    """The interpreter of tea-tasting's environment, which is made where there is none."""
    interpreter = PEER / "bin" / "python"
    done = PEER / "installed"
    if not done.exists() or done.read_text() != "\n".join(PACKAGES):
        venv.create(PEER, with_pip=True, clear=True)
        subprocess.run([interpreter, "-m", "pip", "install", "--quiet", *PACKAGES], check=True, stdout=sys.stderr)
        done.write_text("\n".join(PACKAGES))
    return str(interpreter)


def answer(path: str) -> None:
    """Analyse the file with tea-tasting whenever a line comes in."""
    import ibis
    import tea_tasting as tt

    def analyse() -> float:
        experiment = tt.Experiment(
            conversion=tt.Mean("converted"),
            participation=tt.Mean("participated"),
            revenue=tt.Mean("revenue", "revenue_before"),
            ctr=tt.RatioOfMeans("clicks", "views"),
            variant="arm",
        )
        found = experiment.analyze(ibis.duckdb.connect().read_parquet(path), control="control")
        return float(found["conversion"].effect_size)

    for _ in sys.stdin:
        started = time.perf_counter()
        effect = analyse()
        print("found", repr(effect), time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    answer(sys.argv[1]) if len(sys.argv) > 1 else main()
