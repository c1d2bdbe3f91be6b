"""``make bench``: what is promised to be fast, measured on this machine. Ratios are of one run; medians of several."""

from __future__ import annotations

import json
import subprocess
import sys

BENCHMARKS = ("ingest", "lake", "inference", "serving", "tea_tasting", "top_k")


def main() -> int:
    """Run each benchmark in a process of its own, so that its peak memory is its own."""
    status = 0
    for name in BENCHMARKS:
        done = subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}"], stdout=subprocess.PIPE, text=True)
        status = status or done.returncode
        print(f"\n{name}")
        for line in done.stdout.splitlines():
            row = json.loads(line)
            print(f"  {row['what']:58} {row['figure']:>12}  {row['note']}")
    return status


if __name__ == "__main__":
    sys.exit(main())
