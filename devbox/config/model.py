"""What devbox.yaml says, as values. Pure: paths are as written, nothing is looked up."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePosixPath

from devbox.config.runtime import Runtime

PROJECT_LABEL = "devbox.project"
OWNER_LABEL = "devbox.owner"


class Endpoint(str, Enum):
    """How clients reach the daemon: `docker.endpoint`."""

    TLS = "tls"
    TLS_TUNNEL = "tls-tunnel"
    SSH = "ssh"


class Interpreter(str, Enum):
    """Which remote interpreter the IDE is given: `pycharm.interpreter`."""

    DOCKER = "docker"
    COMPOSE = "compose"
    SSH = "ssh"


@dataclass(frozen=True, slots=True)
class Docker:
    """The daemon's endpoint on the host."""

    endpoint: Endpoint = Endpoint.TLS
    port: int = 2376


@dataclass(frozen=True, slots=True)
class Build:
    """How the app image is built. `context` and `dockerfile` are relative to the project."""

    dockerfile: str = "Dockerfile.dev"
    context: str = "."
    image: str = ""
    target: str = ""
    platform: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    cache_from: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hook:
    """What is done when a save of one of these paths is visible on the host, while it is watched."""

    paths: tuple[str, ...]
    """In .gitignore's syntax."""
    run: str | tuple[str, ...] = ()
    """A command of the host, in the remote folder."""
    restart: tuple[str, ...] = ()
    """Services."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """One mapping: a local folder, the remote folder that follows it, and where containers see it."""

    local: str = "."
    remote: str = ""
    container: str = "/app"
    ignore: tuple[str, ...] = ()
    in_place: tuple[str, ...] = ()
    """Paths that are bind-mounted as single files: written in place, the one exception to rename."""
    chmod: str = ""
    """Modes on the host, as `devbox.config.modes` reads them."""
    hooks: tuple[Hook, ...] = ()


@dataclass(frozen=True, slots=True)
class Composed:
    """A service of a compose file. `image` is "" for one that is built without a name; `mounts` are
    SOURCE:TARGET as written, relative sources and variables included."""

    image: str = ""
    mounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Health:
    """A container's health check; durations are in seconds."""

    command: str | tuple[str, ...]
    interval: float = 5.0
    timeout: float = 5.0
    retries: int = 10
    start_period: float = 0.0


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the app. Without `image` it runs the app image that `devbox build` makes."""

    name: str
    command: str | tuple[str, ...] = ()
    image: str = ""
    ports: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    env_file: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""
    depends_on: tuple[str, ...] = ()
    restart: str = "no"
    health: Health | None = None
    mount: bool = True
    """Whether the synced folders are mounted."""
    entrypoint: tuple[str, ...] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    network_aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Further names by which it is found, per network."""
    conditions: Mapping[str, str] = field(default_factory=dict)
    """Compose's condition per service of `depends_on`; none: healthy, where it has a health check."""
    tty: bool = False
    stdin: bool = False
    alias: str = ""
    """One more name by which the other services find it (compose's `container_name`)."""
    hostname: str = ""
    extra_hosts: tuple[str, ...] = ()
    """NAME:ADDRESS, for its /etc/hosts."""
    shm_size: str = ""
    runtime: Runtime = field(default_factory=Runtime)
    memory: str = ""
    cpus: float = 0.0
    profiles: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    """What is dangerous and meant: `docker.sock`, `privileged`, `host-network`, `host-root`,
    `capabilities`."""


@dataclass(frozen=True, slots=True)
class PyCharm:
    """What the IDE is given."""

    interpreter: Interpreter = Interpreter.DOCKER


@dataclass(frozen=True, slots=True)
class Config:
    """A whole devbox.yaml. `root` is its folder (absolute), `file` its path or ""."""

    name: str
    host: str = ""
    docker: Docker = field(default_factory=Docker)
    build: Build = field(default_factory=Build)
    sync: tuple[Mapped, ...] = ()
    compose: str = ""
    """A compose file whose services are run too; `services` of the same name come before them."""
    services: tuple[Service, ...] = ()
    pycharm: PyCharm = field(default_factory=PyCharm)
    root: str = "."
    file: str = ""

    @property
    def image(self) -> str:
        """The app image's tag: as written, else `<name>-dev`."""
        return self.build.image or f"{self.name}-dev"

    @property
    def spool(self) -> str:
        """The host's folder that `up --trace` mounts for spans (`~/`: the SSH user's home)."""
        return f"~/.local/state/devbox/spool/{self.name}"

    @property
    def spools(self) -> tuple[str, ...]:
        """All folders of the host with spans: that one, and where services say DEVBOX_TRACE_SPOOL."""
        named = (service.environment.get("DEVBOX_TRACE_SPOOL", "") for service in self.services)
        found = (self.to_remote(path) for path in named if path)
        return tuple(dict.fromkeys((self.spool, *(path for path in found if path))))

    def owner(self, account: str) -> str:
        """Whose project this is on its host: the SSH account there, and where its code lies."""
        return f"{account}:{self.sync[0].remote if self.sync else ''}"

    def labels(self, account: str) -> dict[str, str]:
        """The labels by which everything of the project is found again: it, and nobody else's."""
        return {PROJECT_LABEL: self.name, OWNER_LABEL: self.owner(account)}

    def scope(self, account: str) -> str:
        """What names of containers, networks and volumes begin with: two people may share a host and a
        project's name; one person may have the same project twice."""
        plain = re.sub(r"[^A-Za-z0-9_.-]", "-", account).lstrip("-._")
        usual = not self.sync or self.sync[0].remote == f"~/devbox/{self.name}"
        mark = "" if usual else f"-{hashlib.sha256(self.owner(account).encode()).hexdigest()[:6]}"
        return f"{plain}.{self.name}{mark}" if plain else f"{self.name}{mark}"

    def service(self, name: str) -> Service | None:
        """The service of that name, if there is one."""
        return next((service for service in self.services if service.name == name), None)

    def to_remote(self, container_path: str) -> str | None:
        """Where a container's path lies in a mapping's remote folder, `None` when no mapping holds it."""
        path = PurePosixPath(container_path)
        for mapping in self.sync:
            if path.is_relative_to(mapping.container):
                return str(PurePosixPath(mapping.remote) / path.relative_to(mapping.container))
        return None
