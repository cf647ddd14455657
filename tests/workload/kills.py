"""Kill whatever there is, at random, under load; then count."""

from __future__ import annotations

import http.client
import random
import sqlite3
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.workload.shops import Running, eventually

VICTIMS = ("user", "order", "payment", "notify", "gateway")


@dataclass(slots=True)
class Count:
    """What came of a run."""

    kills: dict[str, int] = field(default_factory=dict)
    orders: int = 0
    repeated: int = 0
    lost: int = 0
    unpaid: int = 0
    paid_twice: int = 0
    untold: int = 0
    untraced: int = 0

    def __add__(self, other: Count) -> Count:
        """Both runs together."""
        names = {*self.kills, *other.kills}
        kills = {name: self.kills.get(name, 0) + other.kills.get(name, 0) for name in sorted(names)}
        numbers = [name for name in self.__slots__ if name != "kills"]
        return Count(kills, **{name: getattr(self, name) + getattr(other, name) for name in numbers})

    def as_data(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def run(shop: Running, seed: int, kills: int, customers: int = 4) -> Count:
    """Customers order and repeat what got no answer, with the same key, while processes are killed."""
    chance = random.Random(seed)
    count = Count()
    stop = threading.Event()
    orders: dict[str, Mapping[str, Any]] = {}
    threads = [
        threading.Thread(target=_customer, args=(shop, stop, orders, count, number))
        for number in range(customers)
    ]
    for thread in threads:
        thread.start()
    for _ in range(kills):
        time.sleep(chance.uniform(0.1, 0.6))
        victim = chance.choice(VICTIMS)
        try:
            shop.kill(victim)
        except ProcessLookupError:
            continue  # it was just being started again
        count.kills[victim] = count.kills.get(victim, 0) + 1
    stop.set()
    for thread in threads:
        thread.join()
    count.orders = len(orders)
    settled(shop)
    _count(shop, orders, count)
    return count


def _customer(
    shop: Running, stop: threading.Event, orders: dict[str, Mapping[str, Any]], count: Count, number: int
) -> None:
    while not stop.is_set():
        key = uuid.uuid4().hex
        while True:
            try:
                answer = shop.order(user=f"u{number + 1}", key=key)
            except (OSError, http.client.HTTPException):
                answer = None
            if answer is not None and answer.status == 200:
                orders[key] = answer.body
                break
            count.repeated += 1
            time.sleep(0.05)


def settled(shop: Running) -> None:
    """Wait until nothing is left to do: no open order, no message under way."""

    def idle() -> bool:
        return not _rows(shop, "order", "SELECT 1 FROM open") and not _rows(
            shop, "queue", "SELECT 1 FROM messages"
        )

    eventually(idle, seconds=60)


def _count(shop: Running, orders: Mapping[str, Mapping[str, Any]], count: Count) -> None:
    kept = {key: (order, state, trace) for key, order, state, trace in
            _rows(shop, "order", "SELECT key, id, state, trace FROM orders")}  # fmt: skip
    payments = dict(_rows(shop, "payment", 'SELECT "order", count(*) FROM payments GROUP BY "order"'))
    letters = {order for (order,) in _rows(shop, "notify", 'SELECT "order" FROM letters')}
    traces = {span.trace_id for span in shop.spans()}
    for key, told in orders.items():
        if key not in kept or kept[key][0] != told["id"]:
            count.lost += 1
    for order, state, trace in kept.values():
        count.unpaid += state != "paid" or order not in payments
        count.paid_twice += payments.get(order, 0) > 1
        count.untold += order not in letters
        count.untraced += trace not in traces


def _rows(shop: Running, name: str, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(shop.shop.state / f"{name}.db", timeout=10)) as database:
        return database.execute(sql).fetchall()
