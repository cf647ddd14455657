"""The nouns of the room: where a project lies on its host, and what its containers are called. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from devbox.config.model import Config, Service
from devbox.ports.daemon import Container, ContainerSpec, Mount

SERVICE = "devbox.service"
SPEC = "devbox.spec"
LOCAL_PORTS = "devbox.local-ports"
ONE_OFF = "devbox.one-off"


@dataclass(frozen=True, slots=True)
class Account:
    """The SSH user on the host: containers run as it, so that nothing root-owned grows in the synced tree."""

    uid: int
    gid: int
    home: str
    name: str

    @property
    def user(self) -> str:
        """As Docker takes it."""
        return f"{self.uid}:{self.gid}"

    def absolute(self, path: str) -> str:
        """A path of the host with `~/` resolved."""
        return str(PurePosixPath(self.home) / path[2:]) if path.startswith("~/") else path


@dataclass(frozen=True, slots=True)
class Extra:
    """What a command adds to every container that has the code (`up --trace`).

    `{service}` in a variable's value becomes the service's name; `python_path` is put first on PYTHONPATH.
    """

    mounts: tuple[Mount, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    python_path: str = ""


@dataclass(frozen=True, slots=True)
class PortWish:
    """One entry of `ports`: the container's port, and the local one that is liked best."""

    container: int
    local: int

    @classmethod
    def parse(cls, text: str) -> PortWish:
        """From `[ADDRESS:][LOCAL:]CONTAINER[/tcp]`; without LOCAL the container's number is liked best."""
        numbers = [part for part in text.removesuffix("/tcp").rpartition("]")[2].split(":") if part.isdigit()]
        container = int(numbers[-1])
        return cls(container, int(numbers[-2]) if len(numbers) > 1 else container)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A service as a container that shall exist."""

    service: Service
    spec: ContainerSpec


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `devbox ps`."""

    service: str
    state: str
    health: str
    image: str
    container: str
    addresses: tuple[str, ...] = ()


def container_name(config: Config, account: str, service: str) -> str:
    """`<account>.<project>-<service>-1`."""
    return f"{config.scope(account)}-{service}-1"


def network_name(config: Config, account: str, network: str = "default") -> str:
    """A network of the project; each has the one called default."""
    return f"{config.scope(account)}_{network}"


def service_of(container: Container) -> str:
    """The service that a container belongs to."""
    return container.labels.get(SERVICE, container.name)
