"""Recommendations under ``winnow up``: 200 requests a second, whether or not earlier ones are answered yet.

12,101 items: those of the Amazon Beauty file in WINNOW_TEST_DATA, otherwise as many generated ones. Latency counts from
the moment at which a request was due, so that a server that stalls is charged for all that wait meanwhile.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import orjson

from tests import installation
from tests.benchmarks.figures import report

RATE = 200  # requests a second
SECONDS = float(os.environ.get("WINNOW_BENCH_SECONDS", "30"))
WARM_UP = 5.0  # seconds that do not count
ITEMS, USERS, EVENTS = 12_101, 20_000, 200_000  # generated, where there is no file
LONGEST = 50  # acts of a history
TARGET = 50.0  # ms, p99

SET_UP = """
import sys
from tests.benchmarks.serving import interactions
from recommenders.artefacts import save
from recommenders.registry import strategy_class
from recommenders.services import artefact_root, register_trained
from experiments.contracts import PlannedArm, Role
from experiments.services import lifecycle
from winnow.accounts.keys import create_api_key
from winnow.accounts.models import Scope
data = interactions()
for version, shrinkage in (("v1", 10.0), ("v2", 30.0)):
    kind = strategy_class("item-knn")
    strategy = kind(kind.Config(shrinkage=shrinkage))
    fitted = strategy.fit(data)
    folder = artefact_root() / "item-knn" / version
    register_trained(version, save(strategy, folder, data=data, seed=0, report=fitted, code_version="bench"))
arms = tuple(PlannedArm(key=key, strategy=f"item-knn@{v}") for key, v in (("control", "v1"), ("treatment", "v2")))
lifecycle.create(lifecycle.Draft(key="bench", name="bench", arms=arms, metrics=(("ctr", Role.PRIMARY),)))
lifecycle.start("bench")
print(create_api_key(name="bench", scope=Scope.RECOMMEND))
"""


def interactions():
    """What is trained on: the file, or as many items."""
    from recommenders.contracts import Interactions, Items
    from recommenders.data.sequences import load_sequences

    path = Path(os.environ.get("WINNOW_TEST_DATA", "")) / "amazon_beauty.txt.gz"
    if path.is_file():
        return load_sequences(path)
    rng = np.random.default_rng(4)
    popular = rng.zipf(1.3, size=EVENTS) % ITEMS
    return Interactions.build(
        users=rng.integers(0, USERS, size=EVENTS),
        items=popular,
        catalogue=Items(ids=tuple(f"i{code}" for code in range(ITEMS))),
        user_ids=[f"u{code}" for code in range(USERS)],
    )


def bodies(count: int) -> list[bytes]:
    """Requests of different users with their histories."""
    data = interactions()
    ids, found = data.catalogue.ids, []
    for user in itertools.islice(itertools.cycle(range(len(data.user_ids))), count):
        items = data.items[data.offsets[user] : data.offsets[user + 1]][-LONGEST:]
        history = [{"item_id": ids[code]} for code in items.tolist()]
        body = {"experiment": "bench", "surface": "home", "user_id": f"u{user}", "k": 10, "history": history}
        found.append(orjson.dumps(body))
    return found


@dataclass
class Client:
    """An open-loop client with kept connections, in one thread."""

    url: str
    key: str
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    late: float = 0.0  # the latest that a request was sent after it was due
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def run(self, requests: list[bytes]) -> None:
        start = time.perf_counter() + 0.1
        tasks = []
        for number, body in enumerate(requests):
            due = start + number / RATE
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            tasks.append(asyncio.create_task(self._one(body, due, counts=number >= RATE * WARM_UP)))
        await asyncio.gather(*tasks)

    async def _one(self, body: bytes, due: float, *, counts: bool) -> None:
        if counts:
            self.late = max(self.late, time.perf_counter() - due)
        try:
            status, answer = await self._send(body)
        except (OSError, asyncio.IncompleteReadError) as error:
            status, answer = type(error).__name__, b""
        if not counts:
            return
        self.latencies.append((time.perf_counter() - due) * 1000)
        self.statuses[status] += 1
        if status == "200":
            self.sources.update(slot["source"] for slot in orjson.loads(answer)["items"][:1])

    async def _send(self, body: bytes) -> tuple[str, bytes]:
        where = urlsplit(self.url)
        reader, writer = self._kept() or await asyncio.open_connection(where.hostname, where.port)
        head = (
            f"POST /api/v1/recommendations HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length"))
        answer = await reader.readexactly(length)
        if "connection: close" not in lines:
            self.free.append((reader, writer))
        else:
            writer.close()
        return lines[0].split(" ")[1], answer

    def _kept(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        while self.free:
            reader, writer = self.free.pop()
            if not reader.at_eof():  # the server closes those that nobody used for a while
                return reader, writer
            writer.close()
        return None


def cpu_seconds(pids: list[int]) -> float:
    """Of these processes, all threads."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="winnow-bench-") as folder:
        home = Path(folder)
        with installation.running(home) as stack:
            key = stack.python(SET_UP)
            measure(stack, key)


def measure(stack: installation.Installation, key: str) -> None:
    count = int(RATE * (WARM_UP + SECONDS))
    client, requests = Client(url=stack.url, key=key), bodies(count)
    web = installation.children(stack.child("gunicorn"))
    before, load = cpu_seconds(web), os.getloadavg()[0]
    asyncio.run(client.run(requests))
    cpu = (cpu_seconds(web) - before) / count * 1000
    p50, p95, p99, worst = np.quantile(client.latencies, [0.5, 0.95, 0.99, 1.0])
    wrong = sum(client.statuses.values()) - client.statuses["200"]
    note = f"{RATE}/s for {SECONDS:.0f} s, open loop; load before {load:.1f}, after {os.getloadavg()[0]:.1f}"
    report("recommendations, p50", f"{p50:.1f} ms", note)
    report("recommendations, p95", f"{p95:.1f} ms")
    report("recommendations, p99", f"{p99:.1f} ms", f"the target is {TARGET:.0f} ms; worst {worst:.0f} ms")
    report("recommendations, errors", f"{wrong}", f"of {len(client.latencies)}; lists by source {dict(client.sources)}")
    report("CPU of the web server per request", f"{cpu:.2f} ms", f"client late by {client.late * 1000:.0f} ms at most")


if __name__ == "__main__":
    sys.exit(main())
