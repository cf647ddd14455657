"""The shop in containers on a real host: up, an edit that the next trace shows, faults, roads, down."""

from __future__ import annotations

import bisect
import json
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from devbox.workload.client import Shop as Switches
from tests.rehearsal import hosts, images
from tests.rehearsal.hosts import RehearsalHost
from tests.road.terminal import TOP, Terminal
from tests.workload.brokers import free_port
from tests.workload.shops import eventually

pytestmark = pytest.mark.host

EDITED = "devbox/workload/services/payments.py"
BEFORE = "        self._check_limit(amount)\n"
AFTER = "        self._check_limit(amount)\n        self._look_twice(amount)\n"
WATCHED = 8.0
"""Seconds after the save in which orders are placed."""

ADDED = "\n    def _look_twice(self, amount: int) -> bool:\n        return amount > 0\n"


@dataclass(frozen=True, slots=True)
class Checkout:
    """A copy of this checkout whose shop goes to the shared host."""

    terminal: Terminal
    folder: Path
    name: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def order(self) -> dict[str, Any] | None:
        """Place an order; `None` while nobody takes it."""
        return order(self.url)

    def names(self, trace: str) -> set[str]:
        """The operations in a trace, brought from the host."""
        shown = json.loads(self.terminal.devbox("trace", "show", trace, "--json").stdout)
        return {span["operation"]["name"] for span in shown["spans"]}


def order(url: str) -> dict[str, Any] | None:
    """Place an order; `None` while nobody takes it."""
    body = json.dumps({"user": "u1", "item": "cup", "quantity": 1}).encode()
    request = Request(f"{url}/orders", body, {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=10) as answer:
            return dict(json.load(answer))
    except OSError as error:
        print(f"no order: {error}")  # shown when the test fails
        return None


@pytest.fixture
def checkout(terminal: Terminal, rehearsal_host: RehearsalHost, tmp_path: Path) -> Iterator[Checkout]:
    made = Checkout(terminal, tmp_path / "shop", f"shop-{secrets.token_hex(3)}", free_port())
    made.folder.mkdir()
    for name in ("devbox", "templates"):
        shutil.copytree(TOP / name, made.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Dockerfile.dev", "compose.yaml", ".gitignore"):
        shutil.copy(TOP / name, made.folder)
    terminal.folder = made.folder
    terminal.devbox("init", terminal.host, "--yes")
    yield made
    terminal.devbox("down", "--volumes")
    rehearsal_host.sh(f"rm -rf /home/dev/devbox/{made.name}")


def test_an_edit_shows_in_the_next_trace(checkout: Checkout) -> None:
    text = (
        (TOP / "devbox.yaml")
        .read_text()
        .replace("name: shop", f"name: {checkout.name}\nhost: {checkout.terminal.host}")
    )
    text = text.replace("~/devbox/shop", f"~/devbox/{checkout.name}").replace(
        "8080:8080", f"{checkout.port}:8080"
    )
    args = f', args: {{PYTHON_IMAGE: "{checkout.terminal.python_image}"}}}}'
    (checkout.folder / "devbox.yaml").write_text(text.replace("context: .}", f"context: .{args}"))
    run = checkout.terminal.devbox
    run("workload", "up")
    first = eventually(checkout.order, seconds=60)
    assert first["state"] == "paid"
    assert {"Payments.charge", "rpc payments.charge"} <= checkout.names(first["trace"])

    with checkout.terminal.start("sync", "--watch") as watching:
        eventually(lambda: "in step" in run("sync", "--status").stdout)
        file = checkout.folder / EDITED
        saved = time.monotonic()
        file.write_text(file.read_text().replace(BEFORE, AFTER) + ADDED)
        took, trace = until_seen(checkout, saved)
        watching.terminate()
    print(f"edit to new trace: {took:.2f} s")
    assert "Payments._look_twice" in checkout.names(trace)

    run("workload", "road", "order:payment", "rest", "--url", checkout.url)
    run("workload", "faults", "on", "delay", "--url", checkout.url)
    slow = eventually(checkout.order)
    assert "rest payments.charge" in checkout.names(slow["trace"])
    run("workload", "faults", "off", "--url", checkout.url)
    run("workload", "down")
    assert json.loads(run("ps", "--json").stdout) == []


def until_seen(checkout: Checkout, saved: float) -> tuple[float, str]:
    """Order all the time, then look which order was the first to run the new code: how long after the save it
    was answered, and its trace."""
    placed: list[tuple[float, str]] = []
    while time.monotonic() - saved < WATCHED:
        if (found := checkout.order()) is not None:
            placed.append((time.monotonic() - saved, found["trace"]))
        time.sleep(0.02)
    first = bisect.bisect_left(placed, True, key=lambda one: "Payments._look_twice" in checkout.names(one[1]))
    assert first < len(placed), "the edit never showed in a trace"
    return placed[first]


def test_the_compose_file(checkout: Checkout) -> None:
    (checkout.folder / "devbox.yaml").write_text(
        f"name: {checkout.name}\nhost: {checkout.terminal.host}\ncompose: compose.yaml\n"
    )
    file = checkout.folder / "compose.yaml"
    text = file.read_text().replace("${SHOP_ADDRESS:-127.0.0.1:8080}", str(checkout.port))
    file.write_text(text.replace("args: {", f'args: {{PYTHON_IMAGE: "{checkout.terminal.python_image}", '))
    checkout.terminal.devbox("up")
    assert eventually(checkout.order, seconds=60)["state"] == "paid"
    assert Switches(checkout.url).state()["ways"] == ["rest", "rpc", "queue"]


def test_docker_compose_itself(checkout: Checkout, rehearsal_host: RehearsalHost) -> None:
    """Compose 2 of Debian, on the host, beside the code that devbox brought there."""
    place = f"/home/dev/devbox/{checkout.name}"
    (checkout.folder / "devbox.yaml").write_text(
        f"name: {checkout.name}\nhost: {checkout.terminal.host}\n"
        f"sync: [{{local: ., remote: ~/devbox/{checkout.name}, container: /app}}]\n"
    )
    checkout.terminal.devbox("sync")
    file = checkout.folder / "compose.yaml"
    text = file.read_text().replace("args: {", f'args: {{PYTHON_IMAGE: "{checkout.terminal.python_image}", ')
    rehearsal_host.shell("sh", "-c", f"cat > {place}/compose.yaml", stdin=text.encode())
    hosts.load(rehearsal_host, images.tools_recipe())
    mounts = f"-v /var/run/docker.sock:/var/run/docker.sock -v {place}:{place} -w {place}"
    told = f"-e SHOP_ADDRESS=0.0.0.0:{checkout.port}"
    compose = f"docker run --rm {mounts} {told} {images.TOOLS_IMAGE} docker compose"
    try:
        rehearsal_host.sh(f"{compose} up --build --wait")
        outside = f"http://{rehearsal_host.inner}:{checkout.port}"
        placed = eventually(lambda: order(outside), seconds=60)
        assert placed["state"] == "paid"
        assert Switches(outside).state()["ways"] == ["rest", "rpc", "queue"]
    finally:
        rehearsal_host.sh(f"{compose} down --volumes")
