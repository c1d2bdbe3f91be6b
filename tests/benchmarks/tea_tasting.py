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
MONEY = ("DOUBLE", "DECIMAL(12, 2)")
PEER = Path(__file__).parents[2] / ".cache" / "peers" / "tea-tasting"
PACKAGES = ("tea-tasting==1.14.0", "ibis-framework[duckdb]==12.0.0")
AIM = 0.55

Cost = tuple[float, float]  # seconds on the clock and of all processors
Peer = Callable[[Path], tuple[float, Cost]]

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
  if(u4 < 0.2, round(0.5 * before - 50 * ln(1 - u6), 2), 0)::{{money}} AS revenue,
  round(before, 2)::{{money}} AS revenue_before
FROM users
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="winnow-bench-") as folder:
        path = Path(folder) / "users.parquet"
        with peer() as theirs:
            for money in MONEY:
                process = multiprocessing.get_context("spawn").Process(target=fill, args=(path, money))
                process.start()  # a process of its own, whose memory is not ours
                process.join()
                if process.exitcode:
                    raise SystemExit("the users could not be generated")
                measure(path, money, theirs)


def fill(path: Path, money: str) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"COPY ({GENERATED.format(money=money)}) TO '{path}' (FORMAT parquet)")


def measure(path: Path, money: str, theirs: Peer) -> None:
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
    found = analyze_table(path, one).metrics[0].comparisons[0].effect
    effect, _ = theirs(path)
    if abs(found - effect) > 1e-9 * abs(effect):
        raise SystemExit(f"conversion differs by {found} and by {effect}")
    costs: dict[str, list[Cost]] = {"ours": [], "theirs": [], "every": []}
    for _ in range(RUNS):  # in turn, so that a change of the machine's speed meets all
        costs["theirs"].append(theirs(path)[1])
        costs["ours"].append(cost(lambda: analyze_table(path, one)))
        costs["every"].append(cost(lambda: analyze_table(path, every)))
    clock, cpu = ({name: median([one[i] for one in runs]) for name, runs in costs.items()} for i in (0, 1))

    def against(name: str) -> str:
        return f"{clock[name] / clock['theirs']:.2f}"

    note = f"on the clock, median of {RUNS}"
    report(f"users, money as {money}", f"{USERS:,}", "CTR, conversion, participation, revenue by CUPED; generated")
    report("tea-tasting on DuckDB: Parquet to results", f"{clock['theirs']:.3f} s", note)
    report("Parquet to report", f"{clock['ours']:.3f} s", note)
    report("Parquet to report / tea-tasting", against("ours"), f"aim: at most {AIM}")
    report("the same by CPU", f"{cpu['ours'] / cpu['theirs']:.2f}", "less disturbed by what else runs")
    report("every metric adjusted / tea-tasting", against("every"), "which adjusts revenue only")
    report("peak memory so far", f"{peak_megabytes():.0f} MB", "the whole process")


def cost(work: Callable[[], object]) -> Cost:
    started, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - busy


@contextmanager
def peer() -> Iterator[Peer]:
    """A process of tea-tasting's; calling it analyses a file and returns the effect on conversion and the cost."""
    command = [python(), "-m", "tests.benchmarks.tea_tasting", "peer"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin
        assert process.stdout
        lines, answers = process.stdin, process.stdout

        def analyse(path: Path) -> tuple[float, Cost]:
            lines.write(f"{path}\n")
            lines.flush()
            # DuckDB may draw a bar of progress between the answers
            for line in answers:
                if line.startswith("found "):
                    effect, clock, cpu = map(float, line.split()[1:])
                    return effect, (clock, cpu)
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


def answer() -> None:
    """Analyse the file that each line names with tea-tasting."""
    import ibis
    import tea_tasting as tt

    def analyse(path: str) -> float:
        experiment = tt.Experiment(
            conversion=tt.Mean("converted"),
            participation=tt.Mean("participated"),
            revenue=tt.Mean("revenue", "revenue_before"),
            ctr=tt.RatioOfMeans("clicks", "views"),
            variant="arm",
        )
        found = experiment.analyze(ibis.duckdb.connect().read_parquet(path), control="control")
        return float(found["conversion"].effect_size)

    for line in sys.stdin:
        found: list[float] = []
        spent = cost(lambda: found.append(analyse(line.strip())))  # noqa: B023  (called at once)
        print("found", *found, *spent, flush=True)


if __name__ == "__main__":
    answer() if "peer" in sys.argv else main()
