"""Kill whatever there is, at random, under load; then count."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from devbox.workload.contract import EDGES
from devbox.workload.databases import open_database
from devbox.workload.settings import Settings
from devbox.workload.switches import Board, Switches
from tests.workload.brokers import Broker
from tests.workload.shops import Running, eventually

VICTIMS = ("user", "order", "payment", "notify", "gateway")
ENOUGH = 20
"""Orders that a run shall have at the least."""

_BROKER_SHARE = 0.15
"""How often a broker is killed instead of a process: it takes far longer to come back."""


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


def run(
    shop: Running,
    seed: int,
    kills: int,
    brokers: Mapping[str, Broker] | None = None,
    ways: Sequence[str] = (),
) -> Count:
    """Customers order and repeat what got no answer, with the same key, while processes and brokers are
    killed and edges take other roads (of `ways`, or of all that are open)."""
    chance = random.Random(seed)
    count = Count()
    stop = threading.Event()
    orders: dict[str, Mapping[str, Any]] = {}
    threads = [
        threading.Thread(target=_customer, args=(shop, stop, orders, count, number)) for number in range(4)
    ]
    for thread in threads:
        thread.start()
    roads = Board(shop.shop.state / "switches.json")
    ways = ways or shop.ask("GET", "/control").body["ways"]
    for victim in _victims(chance, kills, brokers or {}):
        time.sleep(chance.uniform(0.1, 0.6))
        roads.change(_another_road(chance.choice(sorted(EDGES)), chance.choice(ways)))
        _kill(shop, victim, brokers or {}, count)
    with suppress(AssertionError):  # on a busy machine nothing gets through while so much dies
        eventually(lambda: len(orders) > ENOUGH, seconds=60)
    stop.set()
    for thread in threads:
        thread.join()
    count.orders = len(orders)
    with suppress(AssertionError):  # what is missing after so long a time is counted, not waited for
        eventually(lambda: _complete(shop), seconds=90)
    _count(shop, orders, count)
    return count


def _another_road(edge: str, road: str) -> Callable[[Switches], Switches]:
    return lambda switches: replace(switches, roads={**switches.roads, edge: road})


def _victims(chance: random.Random, kills: int, brokers: Mapping[str, Broker]) -> Iterator[str]:
    """Everybody once, as far as so few kills reach; then whomever chance names."""
    mortal = sorted(name for name, one in brokers.items() if one.survives)
    everybody = [*VICTIMS, *mortal]
    chance.shuffle(everybody)
    yield from everybody[:kills]
    for _ in range(kills - len(everybody)):
        among = mortal if mortal and chance.random() < _BROKER_SHARE else VICTIMS
        yield chance.choice(among)


def _kill(shop: Running, victim: str, brokers: Mapping[str, Broker], count: Count) -> None:
    if victim in brokers:
        brokers[victim].kill()
        brokers[victim].start()
    else:
        # One that was just being started again is not there yet.
        eventually(lambda: _shot(shop, victim))
    count.kills[victim] = count.kills.get(victim, 0) + 1


def _shot(shop: Running, victim: str) -> bool:
    try:
        return shop.kill(victim) > 0
    except ProcessLookupError:
        return False


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


def _complete(shop: Running) -> bool:
    """Whether every order is settled and every customer told, over whichever road."""
    letters = {row["order"] for row in _rows(shop, "notify", 'SELECT "order" FROM letters')}
    paid = {row["id"] for row in _rows(shop, "order", "SELECT id FROM orders")}
    return not _rows(shop, "order", "SELECT 1 FROM open") and paid <= letters


def _count(shop: Running, orders: Mapping[str, Mapping[str, Any]], count: Count) -> None:
    kept = {row["key"]: row for row in _rows(shop, "order", "SELECT key, id, state, trace FROM orders")}
    paid = Counter(row["order"] for row in _rows(shop, "payment", 'SELECT "order" FROM payments'))
    letters = {row["order"] for row in _rows(shop, "notify", 'SELECT "order" FROM letters')}
    traces = {span.trace_id for span in shop.spans()}
    for key, told in orders.items():
        count.lost += key not in kept or kept[key]["id"] != told["id"]
    for row in kept.values():
        count.unpaid += row["state"] != "paid" or row["id"] not in paid
        count.paid_twice += paid[row["id"]] > 1
        count.untold += row["id"] not in letters
        count.untraced += row["trace"] not in traces


def _rows(shop: Running, name: str, sql: str) -> list[Mapping[str, Any]]:
    settings = Settings.read(json.loads((shop.shop.state / "shop.json").read_text()))
    database = open_database("" if name == "queue" else settings.database, settings.state, name)
    with closing(database.connect()) as connection:
        return list(database.execute(connection, sql, ()).fetchall())
