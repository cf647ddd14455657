"""The shop as a whole, for scripts/bench workload: its start, its memory, its load; and each road in it."""

from __future__ import annotations

import json
import os
import statistics
from pathlib import Path
from typing import Any

from devbox.workload import local
from devbox.workload.contract import EDGES, QUEUES
from devbox.workload.load.drive import Drive
from devbox.workload.load.scenario import Scenario
from tests.workload import kills
from tests.workload.brokers import Broker, free_port, killable, urls
from tests.workload.shops import Running, eventually

STARTS = 5
KILLS = 6
"""Everybody once: five processes, and the road's broker where it has one."""

Row = dict[str, Any]


def shop(folder: Path, rate: float, seconds: float) -> Row:
    """The whole shop as processes, trace page included: time to ready, memory, orders under an open loop."""
    os.environ["XDG_STATE_HOME"] = str(folder / "xdg")
    try:
        ready = [_ready(folder) for _ in range(STARTS)]
        running = local.up(folder, traces=free_port())
        drive = Drive(running.gateway, Scenario(rate, seconds))
        drive.run(_quiet, every=60.0)
        pids = json.loads((folder / "processes.json").read_text())
        memory = sum(map(_memory, [pids["supervisor"], *pids["children"].values()]))
        figures = drive.figures.as_data(drive.planned, drive.seconds)
    finally:
        local.down(folder)
    ready_seconds = round(statistics.median(ready), 3)
    return {"ready_seconds": ready_seconds, "memory_mb": round(memory / 1e6, 1), **figures}


def _ready(folder: Path) -> float:
    took = local.up(folder, traces=free_port()).seconds
    local.down(folder)
    return took


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


def roads(folder: Path) -> dict[str, Row]:
    """Every road through the whole shop: an order over it, the spans of its hops, and what kills do to it."""
    found: dict[str, Row] = {}
    with killable(folder) as brokers:
        os.environ["SHOP_BROKERS"] = urls(brokers)
        try:
            running = Running(local.up(folder / "shop"))
            for road in running.ask("GET", "/control").body["ways"]:
                mortal = {name: one for name, one in brokers.items() if name == road and one.survives}
                found[road] = _road(running, road, mortal)
        finally:
            local.down(folder / "shop")
            del os.environ["SHOP_BROKERS"]
    return found


def _road(running: Running, road: str, brokers: dict[str, Broker]) -> Row:
    for edge in EDGES:
        running.ask("POST", "/control/roads", {"edge": edge, "road": road})
    trace = eventually(lambda: _paid(running), seconds=60)
    drawn = {(span.operation.service, span.operation.name) for span in running.whole_trace(trace)}
    count = kills.run(running, seed=1, kills=KILLS, brokers=brokers, ways=[road])
    harm = count.lost + count.unpaid + count.paid_twice + count.untold + count.untraced
    killed = sum(count.kills.values())
    return {"spans": _hops(road) <= drawn, "kills": killed, "orders": count.orders, "harm": harm}


def _paid(running: Running) -> str:
    placed = running.order()
    return placed.trace if placed.body.get("state") == "paid" else ""


def _hops(road: str) -> set[tuple[str, str]]:
    """Both ends of each hop, and the time in the queue where it is one."""
    asked = {"user": "users.find", "payment": "payments.charge", "notify": "notifications.order_paid"}
    ends = {(who, f"{road} {name}") for callee, name in asked.items() for who in ("order", callee)}
    return ends | {(callee, f"in queue {callee}") for callee in asked if road in QUEUES}
