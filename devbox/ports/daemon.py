"""The remote Docker daemon, as rooms see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from devbox.config.runtime import Runtime
from devbox.ports.build import BuildContext, BuildEvent, BuildRequest


class EndpointKind(Enum):
    """How the daemon is reached (design: three kinds, one door)."""

    TLS = "tls"
    """Mutual TLS on the host's address."""
    TLS_TUNNEL = "tls-tunnel"
    """Mutual TLS on the host's loopback, carried by SSH."""
    SSH = "ssh"
    """No port at all: the daemon's Unix socket, carried by SSH."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address of a daemon. `certificates` is the folder with ca.pem, cert.pem and key.pem (TLS kinds)."""

    kind: EndpointKind
    hostname: str
    port: int = 2376
    certificates: str = ""

    @property
    def url(self) -> str:
        """The address as `DOCKER_HOST` takes it (for tunnels: the host's own end)."""
        return (
            f"tcp://{self.hostname}:{self.port}"
            if self.kind is not EndpointKind.SSH
            else f"ssh://{self.hostname}"
        )


@dataclass(frozen=True, slots=True)
class Engine:
    """What answered: the engine's version ("20.10.24"), the API spoken, its platform ("linux/amd64").

    `selinux`: it labels containers, so that they see only folders that are labelled for them.
    """

    version: str
    api: str
    platform: str
    selinux: bool = False
    root: str = "/var/lib/docker"
    """Where it keeps its images, on the host."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image in the daemon's store; `id` names its content, `config` is Docker's image config."""

    id: str
    tags: tuple[str, ...]
    size: int
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mount:
    """What a container sees at `target`: a folder of the host (absolute `source`), or a volume; one without a
    name goes with its container.

    A folder that is missing on the host is an error, never silently made as root.
    """

    target: str
    source: str
    volume: bool = False
    read_only: bool = False
    relabel: bool = False
    """Labelled for containers first (SELinux, `:z`)."""


@dataclass(frozen=True, slots=True)
class Published:
    """A container's TCP port on an address of the host; port 0 lets the daemon choose."""

    container: int
    host: int = 0
    address: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Probe:
    """A health check inside the container; durations in seconds."""

    command: tuple[str, ...]
    interval: float
    timeout: float
    retries: int
    start_period: float


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container as it shall be. `command` () means the image's own; `user` "" the image's own."""

    name: str
    image: str
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Published, ...] = ()
    user: str = ""
    working_dir: str = ""
    network: str = ""
    also: tuple[str, ...] = ()
    """Further networks, with the same aliases."""
    aliases: tuple[str, ...] = ()
    """Names by which it is found on all of its networks, and more of them per network."""
    network_aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    restart: str = "no"
    """no, always, unless-stopped, on-failure or on-failure:TRIES."""
    health: Probe | None = None
    hostname: str = ""
    extra_hosts: tuple[str, ...] = ()
    """NAME:ADDRESS."""
    memory: int = 0
    """Bytes; 0 is no limit."""
    shm_size: int = 0
    """Bytes of /dev/shm; 0 is the daemon's own choice."""
    cpus: float = 0.0
    privileged: bool = False
    tty: bool = False
    stdin: bool = False
    runtime: Runtime = field(default_factory=Runtime)
    remove: bool = False
    """Removed by the daemon when it ends."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container as it is. `state` is Docker's word (created, running…), `health` "" without a check."""

    id: str
    name: str
    image: str
    state: str
    labels: Mapping[str, str] = field(default_factory=dict)
    health: str = ""
    exit_code: int = 0
    status: str = ""
    ports: tuple[Published, ...] = ()

    @property
    def running(self) -> bool:
        return self.state == "running"


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of what a container wrote, as bytes; `error` is its stderr (with a TTY all is stdout).

    `at` is when, by the host's clock, in nanoseconds since the epoch; 0 where that is not known.
    """

    data: bytes
    error: bool = False
    at: int = 0


@dataclass(frozen=True, slots=True)
class Happening:
    """A container's event: `action` is Docker's word (start, die, health_status: healthy…)."""

    action: str
    container: str
    name: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ExecSpec:
    """A command in a running container."""

    command: tuple[str, ...]
    user: str = ""
    working_dir: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    tty: bool = False
    stdin: bool = False


class Attached(Protocol):
    """The two ends of a running command: its output as it comes, its input, its window, its exit code."""

    def output(self) -> Iterator[Output]: ...

    def write(self, data: bytes) -> None: ...

    def end_input(self) -> None: ...

    def resize(self, rows: int, columns: int) -> None: ...

    def exit_code(self) -> int: ...

    def close(self) -> None: ...


class Daemon(Protocol):
    """A Docker daemon. Thread-safe. Failures are `DaemonError`; a `DaemonRefused` has its own words."""

    def engine(self) -> Engine:
        """What it is; asked once."""
        ...

    def build(
        self, request: BuildRequest, context: BuildContext
    ) -> AbstractContextManager[Iterator[BuildEvent]]:
        """Start a build, with BuildKit unless the request says otherwise.

        The events end with `Built`, or with a raised `BuildFailed`.
        Leaving the context before the end cancels the build on the host.
        """
        ...

    def image(self, name: str) -> Image | None: ...

    def reclaimable(self) -> int:
        """Bytes of the build cache that nothing uses."""
        ...

    def pull(self, name: str, progress: Callable[[str], None]) -> None: ...

    def containers(self, labels: Mapping[str, str]) -> Sequence[Container]:
        """All containers with these labels, running or not."""
        ...

    def container(self, name: str) -> Container | None: ...

    def create(self, spec: ContainerSpec) -> str:
        """Create, do not start; the new container's id."""
        ...

    def start(self, container: str) -> None: ...

    def stop(self, container: str) -> None:
        """Ask it to end, end it when its grace is over; a stopped or missing one is fine."""
        ...

    def remove(self, container: str, volumes: bool = True) -> None:
        """Remove it, running or not, with its anonymous volumes; a missing one is fine."""
        ...

    def wait(self, container: str) -> int: ...

    def logs(
        self, container: str, *, follow: bool = False, tail: int | None = None, since: int = 0
    ) -> AbstractContextManager[Iterator[Output]]:
        """What it wrote: the last `tail` lines (None: all), from `since` on (`Output.at`)."""
        ...

    def attach(self, container: str, tty: bool) -> Attached:
        """Attach to a created container, before it is started, so that nothing is missed."""
        ...

    def exec(self, container: str, spec: ExecSpec) -> Attached: ...

    def ensure_network(self, name: str, labels: Mapping[str, str]) -> None: ...

    def ensure_volume(self, name: str, labels: Mapping[str, str]) -> None: ...

    def remove_networks(self, labels: Mapping[str, str]) -> list[str]: ...

    def remove_volumes(self, labels: Mapping[str, str]) -> list[str]: ...

    def events(self, labels: Mapping[str, str]) -> AbstractContextManager[Iterator[Happening]]: ...

    def run_once(self, image: str, command: Sequence[str]) -> str:
        """What a short command prints in a container of `image` without network and mounts; removed after."""
        ...

    def close(self) -> None: ...
