"""Where the shop goes on this machine: ports that are free."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from devbox.workload.contract import SERVICES
from devbox.workload.settings import DUBBO_PORT, GRPC_PORT, HTTP_PORT, RPC_PORT, Place, Settings

LOOPBACK = "127.0.0.1"


def settle(state: Path, port: int, traces: int) -> tuple[Settings, tuple[str, ...]]:
    """Choose ports: the wanted ones, and free ones where those are taken."""
    taken: set[int] = set()

    def choose(wanted: int) -> int:
        chosen = wanted if wanted not in taken and _is_free(wanted) else _free(taken)
        taken.add(chosen)
        return chosen

    gateway = choose(port)
    first = (HTTP_PORT, RPC_PORT, GRPC_PORT, DUBBO_PORT)
    places = {
        name: Place(LOOPBACK, *(choose(one + 1 + number) for one in first))
        for number, name in enumerate(SERVICES)
    }
    told = Settings.read({**os.environ, "SHOP_STATE": str(state), "SHOP_PLACES": ""})
    page = f"http://{LOOPBACK}:{choose(traces)}" if traces else ""
    settings = replace(told, places=places, listen=LOOPBACK, gateway=gateway, traces=page)
    moved = f"port {port} is taken, {gateway} is used"  # nobody types the other ones
    return settings, () if gateway == port else (moved,)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Only one shop of this user looks for ports and takes them at any moment."""
    name = Path(tempfile.gettempdir()) / f"devbox-shop-{os.getuid()}.lock"
    # A link would have us open a file of its maker's choice: temporary folders are everybody's.
    lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _is_free(port: int) -> bool:
    try:
        with socket.create_server((LOOPBACK, port)):
            return True
    except OSError:
        return False


def _free(taken: set[int]) -> int:
    while True:
        with socket.create_server((LOOPBACK, 0)) as probe:
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port
