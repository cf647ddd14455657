"""What only REST has: connections that are kept."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devbox.workload.contract import operation
from devbox.workload.failures import Unavailable
from devbox.workload.roads.rest import RestRoad
from tests.workload.conftest import running
from tests.workload.shops import Running, eventually

CALLERS = 6


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Running]:
    """A shop of the test's own."""
    yield from running(tmp_path)


def found(road: RestRoad) -> bool:
    """Whether a call gets through."""
    wanted = operation("users.find")
    assert wanted is not None
    try:
        return road.call(wanted, {"user": "u1"}, {}, 10.0)["id"] == "u1"
    except Unavailable:
        return False


def test_a_callee_that_was_killed_costs_one_call_however_many_connections_were_kept(shop: Running) -> None:
    place = shop.shop.places["user"]
    road = RestRoad(place.host, place.http)
    shop.ask("POST", "/control/faults", {"name": "delay", "at": "Users.find", "value": 0.5})
    with ThreadPoolExecutor(CALLERS) as callers:  # all at once, so that each has a connection of its own
        assert all(callers.map(lambda _: found(road), range(CALLERS)))
    shop.ask("DELETE", "/control/faults", {})
    killed = shop.kill("user")
    eventually(lambda: shop.pids()["user"] != killed)
    eventually(lambda: shop.order().status == 200)  # it is back
    assert [found(road) for _ in range(CALLERS)] == [False, *[True] * (CALLERS - 1)]
    road.close()
