"""A save is seen by the running service: real processes, run from a copy of the source tree."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import devbox
from devbox.workload import local, reload
from devbox.workload.local import Shop
from devbox.workload.places import LOOPBACK
from devbox.workload.servers.threads import ThreadServer
from devbox.workload.settings import Settings
from tests.workload.shops import Running, eventually

SOURCE = Path(devbox.__file__).parent
UP = "import sys; from pathlib import Path; from devbox.workload import local; local.up(Path(sys.argv[1]))"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the source, to be edited."""
    shutil.copytree(SOURCE, tmp_path / "tree" / "devbox", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(SOURCE.parent / "templates", tmp_path / "tree" / "templates")
    return tmp_path / "tree"


@pytest.fixture
def shop(tree: Path, tmp_path: Path) -> Iterator[Running]:
    """A shop that runs from the copy, with nothing but the standard library."""
    state = tmp_path / "state"
    try:
        # -S: no site-packages, as in a container that has Python and nothing else.
        subprocess.run([sys.executable, "-S", "-c", UP, str(state)], cwd=tree, check=True)
        settings = Settings.read(json.loads((state / "shop.json").read_text()))
        yield Running(Shop(state, f"http://{LOOPBACK}:{settings.gateway}", settings.places))
    finally:
        local.down(state)


def save(file: Path, old: str, new: str) -> None:
    """Edit as an editor does: write beside, rename."""
    text = file.read_text()
    assert old in text
    beside = file.with_suffix(".new")
    beside.write_text(text.replace(old, new))
    beside.replace(file)


def price(shop: Running, item: str) -> int | None:
    try:
        answer = shop.ask("GET", "/products")
    except OSError:
        return None
    if answer.status != 200:
        return None
    return {one["item"]: one["price"] for one in answer.body["items"]}[item]


def test_a_saved_price_is_charged(shop: Running, tree: Path) -> None:
    pids = shop.pids()
    assert price(shop, "cup") == 650
    save(tree / "devbox/workload/services/catalogue.py", '"cup": 650', '"cup": 700')
    eventually(lambda: price(shop, "cup") == 700)
    assert shop.order(item="cup", quantity=2).body["amount"] == 1400
    assert shop.pids() == pids


def test_only_those_who_use_the_code_begin_anew(shop: Running, tree: Path) -> None:
    save(tree / "devbox/workload/services/catalogue.py", '"tea": 890', '"tea": 891')
    eventually(lambda: price(shop, "tea") == 891)
    logs = {log.stem: log.read_text() for log in (shop.shop.state / "logs").glob("*.log")}
    assert [name for name, text in logs.items() if "reloading: catalogue.py" in text] == ["order"]


def test_code_that_does_not_compile_is_said_and_not_taken(shop: Running, tree: Path) -> None:
    file = tree / "devbox/workload/services/catalogue.py"
    save(file, "PRICES = {", "PRICES = {{")
    log = shop.shop.state / "logs" / "order.log"
    eventually(lambda: "not reloaded" in log.read_text())
    assert shop.order().status == 200
    save(file, 'PRICES = {{"teapot": 2400', 'PRICES = {"teapot": 2500')
    eventually(lambda: price(shop, "teapot") == 2500)


def test_code_that_fails_when_it_is_loaded_is_tried_again_at_the_next_save(shop: Running, tree: Path) -> None:
    file = tree / "devbox/workload/services/catalogue.py"
    save(file, '"kettle": 3900', '"kettle": nothing')
    log = shop.shop.state / "logs" / "order.log"
    eventually(lambda: "NameError" in log.read_text())
    save(file, '"kettle": nothing', '"kettle": 4000')
    eventually(lambda: price(shop, "kettle") == 4000)


def test_a_port_that_is_taken_is_not_waited_out_until_a_save() -> None:
    with socket.create_server((LOOPBACK, 0)) as other, pytest.raises(OSError, match="in use"):
        reload.survive(lambda: ThreadServer(other.getsockname(), lambda environ, start: []))
