"""One running shop for the tests that do not harm it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from devbox.workload import local
from tests.workload.shops import Running, eventually


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The whole shop as processes, behind nginx."""
    yield from running(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis of the tests' own, on a socket in a folder of its own."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed (scripts/test installs it)")
    folder = tmp_path_factory.mktemp("redis")
    socket = folder / "redis.sock"
    words = ["--port", "0", "--unixsocket", str(socket), "--dir", str(folder), "--appendonly", "yes"]
    with (folder / "log").open("wb") as log, subprocess.Popen([program, *words], stdout=log) as server:
        try:
            eventually(socket.exists)
            yield f"unix://{socket}"
        finally:
            server.terminate()


def running(state: Path) -> Iterator[Running]:
    """A shop in this folder, ended afterwards."""
    try:
        yield Running(local.up(state))
    finally:
        local.down(state)
