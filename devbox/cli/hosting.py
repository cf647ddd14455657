"""What `init` and `host` share: a session with the config's host, everything wired."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from devbox.cli.asking import Terminal
from devbox.cli.options import Options
from devbox.config.model import Config, Endpoint

if TYPE_CHECKING:
    from devbox.host.model import Wish
    from devbox.host.room import Proposal, Room
    from devbox.host.store import Store
    from devbox.ports.check import Finding
    from devbox.ports.events import Event
    from devbox.ports.host import Host


LOCAL = "localhost"


@dataclass(frozen=True, slots=True)
class Session:
    """An open connection to a config's host, and the room that prepares it."""

    config: Config
    host: Host
    room: Room
    store: Store
    wanted: Mapping[str, Any] = field(default_factory=dict)
    """What this run wishes beyond the config, by the names of `Wish`."""

    def propose(self) -> Proposal:
        """Read the host and plan."""
        from devbox.host.prepare import propose

        return propose(self.room, self.wish())

    def wish(self) -> Wish:
        """What the config wants of the host."""
        from devbox.host import identity
        from devbox.host.model import Wish
        from devbox.ports.tree import staging_of

        address = self.host.address
        remotes = [mapping.remote for mapping in self.config.sync]
        roots = [path for remote in remotes for path in (remote, staging_of(remote))]
        typed = self.config.host.rpartition("@")[2]
        names = [address.hostname, *([typed] if _is_name(typed) else [])]
        return Wish(
            endpoint=self.config.docker.endpoint,
            port=self.config.docker.port,
            names=tuple(dict.fromkeys(names)),
            roots=tuple(dict.fromkeys(roots)),
            owner=identity.owner(),
            client=identity.client(),
            host=self.config.host,
            **self.wanted,
        )

    def remember(self, findings: list[tuple[str, Finding]]) -> None:
        """Keep how the host was prepared, and write the Docker context."""
        from devbox.host import contexts
        from devbox.host.store import Record

        address, docker = self.host.address, self.config.docker
        engine = next((one.data["engine"] for _, one in findings if one.data.get("engine")), "")
        self.store.save_record(
            Record(
                self.config.host,
                address.hostname,
                docker.endpoint.value,
                docker.port,
                self.store.context,
                str(engine),
            )
        )
        url = docker_url(self.config, address.hostname)
        tls = docker.endpoint is not Endpoint.SSH
        if contexts.write(self.store, self.store.context, url, tls=tls):
            self.room.emit(_event(f"wrote Docker context {self.store.context}"))


def docker_url(config: Config, hostname: str) -> str:
    """`DOCKER_HOST` for the config's endpoint; a tunnel's local end is on the same port here."""
    endpoint, port = config.docker.endpoint, config.docker.port
    if endpoint is Endpoint.SSH:
        return f"ssh://{config.host}"
    if endpoint is Endpoint.TLS_TUNNEL:
        return f"tcp://localhost:{port}"
    return f"tcp://[{hostname}]:{port}" if ":" in hostname else f"tcp://{hostname}:{port}"


def _event(text: str) -> Event:
    from devbox.ports.events import Event

    return Event("init.context", text)


def _is_name(text: str) -> bool:
    """Whether it can stand in a certificate: an alias of ~/.ssh/config may be anything."""
    return bool(text) and text.isascii() and not any(character in text for character in " /%_@")


def config_of(run: Options) -> Config:
    """devbox.yaml; with --host alone, what is kept here about that host: it needs no project."""
    from devbox.config.model import Docker
    from devbox.host.store import Store

    if run.config_file() is not None or not run.host:
        return run.load()
    record = Store(run.host).record()
    docker = Docker(Endpoint(record.endpoint), record.port) if record else Docker()
    return Config(name=run.directory.resolve().name or "devbox", host=run.host, docker=docker)


@contextlib.contextmanager
def open_session(run: Options, config: Config, accept: str = "") -> Iterator[Session]:
    """Connect to the config's host; `localhost` is this machine, without SSH."""
    from devbox import wiring
    from devbox.host.room import Room
    from devbox.host.store import Store

    store = Store(config.host)
    terminal = Terminal(run.console, accept)
    local = config.host.rpartition("@")[2] == LOCAL
    with wiring.this_machine(terminal) if local else wiring.open_host(config, terminal) as host:
        room = Room(host, store, wiring.probe(), run.console.event, time.time)
        yield Session(config, host, room, store)
