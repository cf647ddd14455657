"""Up and down, whatever happens in between."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devbox.workload import local
from devbox.workload.places import LOOPBACK, settle
from tests.workload.conftest import running
from tests.workload.shops import Running, eventually


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Running]:
    """A shop of the test's own."""
    yield from running(tmp_path / "state")


def alive(pid: int) -> bool:
    """Whether the process runs (a dead one that nobody has waited for does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_up_again_is_the_same_shop_and_down_again_is_nothing(shop: Running) -> None:
    pids = shop.pids()
    assert local.up(shop.shop.state).gateway == shop.shop.gateway
    assert shop.pids() == pids
    assert local.down(shop.shop.state)
    eventually(lambda: not any(alive(pid) for pid in pids.values()))
    assert not local.down(shop.shop.state)


def test_a_killed_supervisor_takes_the_shop_along_and_up_works_again(shop: Running) -> None:
    pids = shop.pids()
    shop.kill("supervisor")
    eventually(lambda: not any(alive(pid) for pid in pids.values()))
    again = Running(local.up(shop.shop.state))  # at another port, where somebody took that one meanwhile
    assert again.order().status == 200


def test_frozen_leftovers_of_a_killed_supervisor_are_swept(shop: Running) -> None:
    pids = shop.pids()
    os.kill(pids["payment"], signal.SIGSTOP)
    shop.kill("supervisor")
    eventually(lambda: not alive(pids["user"]))
    assert alive(pids["payment"])
    assert local.down(shop.shop.state)
    eventually(lambda: not alive(pids["payment"]))


def test_switches_are_as_usual_after_up(shop: Running) -> None:
    shop.ask("POST", "/control/faults", {"name": "delay"})
    local.down(shop.shop.state)
    again = Running(local.up(shop.shop.state))  # perhaps at other ports, as above
    assert again.ask("GET", "/control").body["faults"] == []


def test_a_service_that_is_killed_comes_back(shop: Running) -> None:
    gone = shop.kill("user")
    eventually(lambda: shop.pids()["user"] != gone)
    eventually(lambda: shop.order().status == 200)


def test_a_killed_gateway_leaves_no_nginx_behind(shop: Running) -> None:
    gone = shop.kill("gateway")
    eventually(lambda: shop.pids()["gateway"] != gone)
    eventually(lambda: _answers(shop))
    assert shop.order().status == 200
    prefix = f"{shop.shop.state}/nginx".encode()
    masters = [pid for pid in Path("/proc").glob("[0-9]*") if _command(pid).startswith(b"nginx: master")]
    assert sum(prefix in _command(pid) for pid in masters) == 1


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def _answers(shop: Running) -> bool:
    try:
        return shop.ask("GET", "/users/u1").status == 200
    except OSError:
        return False


def test_a_taken_port_is_replaced_and_said(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        taken = other.getsockname()[1]
        try:
            shop = local.up(tmp_path, taken)
            assert f"port {taken} is taken" in shop.moved[0]
            moved = int(shop.gateway.rpartition(":")[2])
            assert moved < 32768, "not one of those that the system may give away at any moment"
            assert Running(shop).order().status == 200
        finally:
            local.down(tmp_path)


def test_two_shops_side_by_side(shop: Running, tmp_path: Path) -> None:
    for other in running(tmp_path / "other"):
        order = other.order().body["id"]
        assert shop.ask("GET", f"/orders/{order}").status == 404


def test_shops_that_start_together_do_not_meet_at_the_same_ports(tmp_path: Path) -> None:
    states = [tmp_path / name for name in ("one", "two")]
    try:
        with ThreadPoolExecutor(len(states)) as starting:
            shops = [Running(shop) for shop in starting.map(local.up, states)]
        placed = [shop.order().body["id"] for shop in shops]
        for shop in shops:
            assert [one["id"] in placed for one in shop.ask("GET", "/orders").body["items"]] == [True]
    finally:
        for state in states:
            local.down(state)


def test_a_service_that_is_between_two_lives_keeps_its_ports(shop: Running, tmp_path: Path) -> None:
    pids = shop.pids()
    os.kill(pids["supervisor"], signal.SIGSTOP)  # else it would be back before we have looked
    try:
        shop.kill("notify")
        eventually(lambda: not alive(pids["notify"]))
        other, _ = settle(tmp_path / "other", 0, 0)
    finally:
        os.kill(pids["supervisor"], signal.SIGCONT)
    ports = {
        port for place in other.places.values() for port in (place.http, place.rpc, place.grpc, place.dubbo)
    }
    ours = shop.shop.places["notify"]
    assert ports.isdisjoint((ours.http, ours.rpc, ours.grpc, ours.dubbo))
    eventually(lambda: shop.pids()["notify"] != pids["notify"])


def test_without_nginx_the_small_gateway_does_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_NGINX", "")
    for shop in running(tmp_path):
        assert not shop.shop.nginx
        closed = shop.ask("POST", "/control/roads", {"edge": "order>user", "road": "kafka"})
        assert "SHOP_BROKERS" in closed.body["error"]["message"]
        placed = shop.order()
        assert placed.body["state"] == "paid"
        spans = shop.whole_trace(placed.trace)
        assert {span.operation.service for span in spans} == {"gateway", "order", "user", "payment", "notify"}
        assert "Place the order" in shop.ask("GET", "/").body
        assert shop.ask("GET", "/nothing").status == 404


def test_what_may_hold_passwords_is_ours_alone(shop: Running) -> None:
    assert (shop.shop.state / "shop.json").stat().st_mode & 0o077 == 0
