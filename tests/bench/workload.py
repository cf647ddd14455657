"""scripts/bench workload: all roads under the same call, side by side in one run, and the shop as a whole."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from devbox.workload import local
from devbox.workload.contract import Operation, operation
from devbox.workload.load.drive import Drive
from devbox.workload.load.scenario import Scenario
from devbox.workload.roads import rest
from devbox.workload.roads.desk import Desk, Road
from devbox.workload.roads.filequeue import FileQueue
from devbox.workload.roads.queue import QueueRoad, QueueServer
from devbox.workload.roads.rest import RestRoad
from devbox.workload.roads.rpc import RpcRoad, RpcServer
from devbox.workload.servers.threads import ThreadServer

HOST = "127.0.0.1"
Row = dict[str, Any]


def echo(user: str) -> dict[str, str]:
    """The least that a service can do."""
    return {"user": user}


@contextmanager
def over_rest(desk: Desk, folder: Path) -> Iterator[Road]:
    """HTTP/JSON over kept connections."""
    server = ThreadServer((HOST, 0), rest.application(desk))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield RestRoad(HOST, server.server_port)
    server.shutdown()


@contextmanager
def over_rpc(desk: Desk, folder: Path) -> Iterator[Road]:
    """The hand-written RPC."""
    server = RpcServer(desk, HOST, 0)
    threading.Thread(target=server.serve, daemon=True).start()
    road = RpcRoad(HOST, server.port)
    yield road
    road.close()
    server.close()


@contextmanager
def over_file_queue(desk: Desk, folder: Path) -> Iterator[Road]:
    """A call and its answer through the queue in a file."""
    queue = FileQueue(folder / "queue.db")
    server = QueueServer(desk, queue, "user")
    threading.Thread(target=server.serve, daemon=True).start()
    road = QueueRoad(queue, "user")
    yield road
    road.close()
    server.close()


ROADS = {"rest": over_rest, "rpc": over_rpc, "queue (file)": over_file_queue}


def measure(road: Road, seconds: float) -> Row:
    """Latency of one call after the other; calls per second with eight callers at once."""
    wanted = operation("users.find")
    assert wanted is not None
    alone = _calls(road, wanted, seconds)
    with ThreadPoolExecutor(8) as callers:
        began = time.perf_counter()
        crowd = list(callers.map(lambda _: len(_calls(road, wanted, seconds)), range(8)))
        rate = sum(crowd) / (time.perf_counter() - began)
    cuts = statistics.quantiles(alone, n=100)
    return {"p50_us": round(cuts[49] * 1e6), "p99_us": round(cuts[98] * 1e6), "calls_per_second": round(rate)}


def _calls(road: Road, wanted: Operation, seconds: float) -> list[float]:
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        road.call(wanted, {"user": "u1"}, {}, 10.0)
        taken.append(time.perf_counter() - began)
    return taken


def shop(folder: Path, rate: float, seconds: float) -> Row:
    """The whole shop as processes: time to ready, memory, and orders under an open loop."""
    try:
        running = local.up(folder)
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="per measurement")
    parser.add_argument("--rate", type=float, default=50.0, help="requests per second on the shop")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found: Row = {"roads": {}}
    desk = Desk("user", {"users.find": echo})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name, opened in ROADS.items():
            with opened(desk, folder) as road:
                found["roads"][name] = measure(road, given.seconds)
        found["shop"] = shop(folder / "shop", given.rate, given.seconds)
    print(json.dumps(found, indent=2) if given.json else table(found))


def table(found: Row) -> str:
    """The figures for people."""
    lines = [f"{'road':<14}{'p50 us':>9}{'p99 us':>9}{'calls/s, 8 callers':>21}"]
    for name, row in found["roads"].items():
        lines.append(f"{name:<14}{row['p50_us']:>9}{row['p99_us']:>9}{row['calls_per_second']:>21}")
    whole = found["shop"]
    shown = "  ".join(f"{name} {value * 1e3:.1f} ms" for name, value in whole["latency_seconds"].items())
    lines += [
        f"shop --local: ready in {whole['ready_seconds']} s, {whole['memory_mb']} MB (PSS, all processes)",
        f"{whole['ok']} of {whole['planned']} ok at {whole['per_second']} per second: {shown}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
