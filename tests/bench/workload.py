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

from devbox.workload import local
from devbox.workload.contract import Operation, operation
from devbox.workload.failures import Failure
from devbox.workload.faults import Calm
from devbox.workload.load.drive import Drive
from devbox.workload.load.scenario import Scenario
from devbox.workload.roads.desk import Road
from devbox.workload.roads.ways import Ways
from devbox.workload.settings import Place, Settings
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


def shop(folder: Path, rate: float, seconds: float) -> Row:
    """The whole shop as processes, trace page included: time to ready, memory, orders under an open loop."""
    os.environ["XDG_STATE_HOME"] = str(folder / "xdg")
    try:
        running = local.up(folder, traces=free_port())
        drive = Drive(running.gateway, Scenario(rate, seconds))
        drive.run(_quiet, every=60.0)
        pids = json.loads((folder / "processes.json").read_text())
        memory = sum(map(_memory, [pids["supervisor"], *pids["children"].values()]))
        figures = drive.figures.as_data(drive.planned, drive.seconds)
    finally:
        local.down(folder)
    return {"ready_seconds": round(running.seconds, 3), "memory_mb": round(memory / 1e6, 1), **figures}


def _quiet(elapsed: float) -> None:
    """Nobody watches."""


def _memory(pid: int) -> float:
    """Proportional set size in bytes: shared pages are counted once over all (see proc(5), smaps_rollup)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    own = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    below = [int(child) for child in children if _name(int(child)) == "nginx"]
    return own + sum(map(_memory, below))


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


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
        found["shop"] = shop(folder / "shop", given.rate, given.seconds)
    print(json.dumps(found, indent=2) if given.json else table(found))


def table(found: Row) -> str:
    """The figures for people."""
    crowd = f"calls/s, {CALLERS} callers"
    head = f"{'road':<10}{'p50 us':>8}{'p99 us':>8}{crowd:>20}{'away':>8}  callers were told"
    lines = [f"load average at the start: {found['load_average']:.1f}", head]
    for name, row in found["roads"].items():
        told = ", ".join(f"{count} {kind}" for kind, count in row["told"].items()) or "nothing"
        lines.append(
            f"{name:<10}{row['p50_us']:>8}{row['p99_us']:>8}{row['calls_per_second']:>20}"
            f"{row['away_seconds']:>6.2f} s  {told}"
        )
    whole = found["shop"]
    shown = "  ".join(f"{name} {value * 1e3:.1f} ms" for name, value in whole["latency_seconds"].items())
    lines += [
        f"shop --local: ready in {whole['ready_seconds']} s, {whole['memory_mb']} MB of memory (PSS)",
        f"{whole['ok']} of {whole['planned']} ok at {whole['per_second']} per second: {shown}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
