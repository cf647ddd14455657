"""Where the shop goes on this machine: ports that are free."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from devbox.workload.contract import SERVICES
from devbox.workload.settings import DUBBO_PORT, GRPC_PORT, HTTP_PORT, RPC_PORT, Place, Settings

LOOPBACK = "127.0.0.1"
_FREE = (20_000, 32_000)
"""Linux gives connections those from 32768 on (ip_local_port_range), others from 49152 on (RFC 6335)."""


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


def claim(settings: Settings) -> list[socket.socket]:
    """Hold the shop's ports against other shops as long as these sockets are open, also while a service that
    begins anew has let go of its own: the UDP port of the same number, which no service uses, is the sign."""
    ports = [settings.gateway]
    for place in settings.places.values():
        ports += [place.http, place.rpc, place.grpc, place.dubbo]
    if settings.traces:
        ports.append(urlsplit(settings.traces).port or 0)
    claims = []
    for port in ports:
        claims.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        with suppress(OSError):  # a program that is no shop has it: it wants nothing of ours
            claims[-1].bind((LOOPBACK, port))
    return claims


def _is_free(port: int) -> bool:
    try:
        with socket.create_server((LOOPBACK, port)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sign:
            sign.bind((LOOPBACK, port))
            return True
    except OSError:
        return False


def _free(taken: set[int]) -> int:
    """A free port below those that the system gives to connections and to whoever asks for any: of them, one
    would be somebody's again before a service has begun to listen on it."""
    while True:
        port = random.randrange(*_FREE)
        if port not in taken and _is_free(port):
            return port
