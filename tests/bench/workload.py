"""scripts/bench workload: the same call over every road, side by side in one run; what its callers notice
when the callee is killed; and the shop as a whole.

The callee is the user service in a process of its own (it looks a user up in SQLite), the brokers are real.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from devbox.workload.contract import Operation, operation
from devbox.workload.failures import Failure
from devbox.workload.faults import Calm
from devbox.workload.roads.desk import Road
from devbox.workload.roads.ways import Ways
from devbox.workload.settings import Place, Settings
from tests.bench import _shop
from tests.workload.brokers import Broker, Kafka, RabbitMQ, Redis, free_port

HOST = "127.0.0.1"
CALLERS = 8
Row = dict[str, Any]
FOUND = operation("users.find")
assert FOUND is not None
FIND: Operation = FOUND


class Callee:
    """The user service as a process that can be killed."""

    def __init__(self, settings: Settings) -> None:
        self._environment = os.environ | settings.environment()
        self.start()

    def start(self) -> None:
        """Start it (again)."""
        command = [sys.executable, "-m", "devbox.workload", "user"]
        self._process = subprocess.Popen(command, env=self._environment, stdin=subprocess.DEVNULL)

    def kill(self) -> None:
        """End it as if the machine had taken it away."""
        self._process.kill()
        self._process.wait()


@contextmanager
def everything(folder: Path) -> Iterator[tuple[Callee, dict[str, Road]]]:
    """A callee, its brokers, and every road to it."""
    with ExitStack() as stack:
        brokers: list[Broker] = [
            Redis(folder / "redis"),
            RabbitMQ(folder / "rabbitmq"),
            Kafka(folder / "kafka"),
        ]
        for broker in brokers:
            broker.start()
            stack.callback(broker.stop)
        place = Place(HOST, *(free_port() for _ in range(4)))
        urls = tuple(broker.url for broker in brokers)
        settings = Settings(folder / "state", {"user": place}, HOST, brokers=urls)
        callee = Callee(settings)
        stack.callback(callee.kill)
        ways = Ways.of(settings, Calm())
        stack.callback(ways.close)
        roads = ways.to("user")
        for road in roads.values():
            stack.callback(road.close)
        yield callee, roads


def call(road: Road, timeout: float = 2.0) -> str:
    """One call: `ok`, or the kind of its failure."""
    try:
        road.call(FIND, {"user": "u1"}, {}, timeout)
    except Failure as failure:
        return failure.kind
    return "ok"


def until_open(road: Road) -> None:
    """Wait until the road has come together."""
    end = time.monotonic() + 60
    while call(road) != "ok":
        assert time.monotonic() < end, "this road never opens"
        time.sleep(0.05)


def measure(road: Road, seconds: float) -> Row:
    """Latency of one call after the other; calls per second with some callers at once."""
    alone = _times(road, seconds)
    with ThreadPoolExecutor(CALLERS) as callers:
        began = time.perf_counter()
        crowd = list(callers.map(lambda _: len(_times(road, seconds)), range(CALLERS)))
        rate = sum(crowd) / (time.perf_counter() - began)
    cuts = statistics.quantiles(alone, n=100)
    return {"p50_us": round(cuts[49] * 1e6), "p99_us": round(cuts[98] * 1e6), "calls_per_second": round(rate)}


def _times(road: Road, seconds: float) -> list[float]:
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        road.call(FIND, {"user": "u1"}, {}, 10.0)
        taken.append(time.perf_counter() - began)
    return taken


def death(road: Road, callee: Callee) -> Row:
    """The callee is killed under calls and started half a second later: what its callers are told, and for
    how long nothing gets through."""
    told: Counter[str] = Counter()
    good: list[float] = []
    with calling(road, told, good):
        time.sleep(0.5)
        callee.kill()
        killed = time.monotonic()
        time.sleep(0.5)
        callee.start()
        end = time.monotonic() + 30
        while not any(at > killed + 0.5 for at in list(good)) and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.5)
    first = min(at for at in good if at > killed + 0.5)
    return {
        "told": {kind: count for kind, count in told.items() if kind != "ok"},
        "away_seconds": first - killed,
    }


@contextmanager
def calling(road: Road, told: Counter[str], good: list[float]) -> Iterator[None]:
    """Four callers, all the time; `good` is when calls succeeded."""
    stop = Event()

    def work() -> None:
        while not stop.is_set():
            outcome = call(road)
            told[outcome] += 1
            if outcome == "ok":
                good.append(time.monotonic())
            time.sleep(0.02)

    callers = [Thread(target=work) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        yield
    finally:
        stop.set()
        for caller in callers:
            caller.join()


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="per measurement")
    parser.add_argument("--rate", type=float, default=50.0, help="requests per second on the shop")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found: Row = {"load_average": os.getloadavg()[0], "roads": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with everything(folder) as (callee, roads):
            for name, road in roads.items():
                until_open(road)
                found["roads"][name] = measure(road, given.seconds) | death(road, callee)
        for name, row in _shop.roads(folder / "roads").items():
            found["roads"][name] |= row
        found["shop"] = _shop.shop(folder / "shop", given.rate, given.seconds)
    print(json.dumps(found, indent=2) if given.json else table(found))


def table(found: Row) -> str:
    """The figures for people: the table is Markdown, as the shop's README has it."""
    lines = [
        f"load average at the start: {found['load_average']:.1f}",
        "",
        "| road | spans of both ends | kills, orders, lost or paid twice | p50 | p99 | calls/s | "
        "nothing gets through for | callers are told meanwhile |",
        "|---|---|---|---|---|---|---|---|",
        *(_line(name, row) for name, row in found["roads"].items()),
        "",
    ]
    whole = found["shop"]
    shown = "  ".join(f"{name} {value * 1e3:.1f} ms" for name, value in whole["latency_seconds"].items())
    lines += [
        f"shop --local: ready in {whole['ready_seconds']} s, {whole['memory_mb']} MB of memory (PSS)",
        f"{whole['ok']} of {whole['planned']} ok at {whole['per_second']} per second: {shown}",
    ]
    return "\n".join(lines)


def _line(name: str, row: Row) -> str:
    told = ", ".join(f"{kind} ({count})" for kind, count in row["told"].items()) or "nothing"
    cells = [
        name, "yes" if row["spans"] else "NO", f"{row['kills']}, {row['orders']}, {row['harm']}",
        f"{row['p50_us'] / 1e3:.2f} ms", f"{row['p99_us'] / 1e3:.1f} ms", f"{row['calls_per_second']:,}",
        f"{row['away_seconds']:.1f} s", told,
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
