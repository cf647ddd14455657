"""Where everybody is: from the environment, so that processes and containers are told in the same way.

SHOP_STATE    folder of the databases, the queue and the switches (shared by all services)
SHOP_LISTEN   the address to listen on; all interfaces when absent, as in a container
SHOP_PLACES   `service=host:http:rpc:grpc:dubbo` with the ports of each road, separated by spaces (ports left
              out are the usual ones); when absent each service is found by its name, as on a Docker network
SHOP_TRACES   where the trace page is, for links to it; the shop's supervisor serves it there (see `local`)
SHOP_GATEWAY  port of the gateway
SHOP_NGINX    the nginx to run; found by itself when absent, and when empty the small gateway is used
SHOP_QUEUE    URL of the road `queue`: `file:` (in SHOP_STATE) or a broker's, as below
SHOP_DATABASE `postgresql://…` for the services' data; SQLite in SHOP_STATE when absent
SHOP_BROKERS  URLs of more queues, separated by spaces, each a road of its own: `redis://…` or `unix://…`
              (Redis, on a socket), `amqp://…` (RabbitMQ), `kafka://host:port`
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devbox.errors import UsageError
from devbox.workload.contract import SERVICES

HTTP_PORT, RPC_PORT, GRPC_PORT, DUBBO_PORT, GATEWAY_PORT = 8000, 7000, 7500, 7600, 8080


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service is reached."""

    host: str
    http: int = HTTP_PORT
    rpc: int = RPC_PORT
    grpc: int = GRPC_PORT
    dubbo: int = DUBBO_PORT

    def __str__(self) -> str:
        return f"{self.host}:{self.http}:{self.rpc}:{self.grpc}:{self.dubbo}"


@dataclass(frozen=True, slots=True)
class Settings:
    """What one process of the shop must know."""

    state: Path
    places: Mapping[str, Place]
    listen: str = "0.0.0.0"
    gateway: int = GATEWAY_PORT
    nginx: str = ""
    queue: str = "file:"
    brokers: tuple[str, ...] = ()
    database: str = ""
    traces: str = ""

    @staticmethod
    def read(environment: Mapping[str, str] = os.environ) -> Settings:
        """The settings in the environment; a `UsageError` names the variable that is wrong."""
        return Settings(
            state=Path(environment.get("SHOP_STATE", "shop-state")).absolute(),
            places=_places(environment.get("SHOP_PLACES", "")),
            listen=environment.get("SHOP_LISTEN", "0.0.0.0"),
            gateway=int(environment.get("SHOP_GATEWAY", GATEWAY_PORT)),
            nginx=environment.get("SHOP_NGINX", nginx_program()),
            queue=environment.get("SHOP_QUEUE", "file:"),
            brokers=tuple(environment.get("SHOP_BROKERS", "").split()),
            database=environment.get("SHOP_DATABASE", ""),
            traces=environment.get("SHOP_TRACES", ""),
        )

    def environment(self) -> dict[str, str]:
        """The environment that says these settings."""
        return {
            "SHOP_STATE": str(self.state),
            "SHOP_PLACES": " ".join(f"{name}={place}" for name, place in self.places.items()),
            "SHOP_LISTEN": self.listen,
            "SHOP_GATEWAY": str(self.gateway),
            "SHOP_NGINX": self.nginx,
            "SHOP_QUEUE": self.queue,
            "SHOP_BROKERS": " ".join(self.brokers),
            "SHOP_DATABASE": self.database,
            "SHOP_TRACES": self.traces,
        }


def nginx_program() -> str:
    """nginx, where it is installed (Debian puts it where not every user looks); else empty."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin") or ""


def _places(text: str) -> dict[str, Place]:
    places = {name: Place(name) for name in SERVICES}
    for entry in text.split():
        try:
            name, _, rest = entry.partition("=")
            host, *ports = rest.split(":")
            places[name] = Place(host, *map(int, ports))
        except (TypeError, ValueError):
            wanted = "service=host:http-port:rpc-port:grpc-port:dubbo-port"
            raise UsageError(f"SHOP_PLACES wants {wanted}, found {entry!r}") from None
    return places
