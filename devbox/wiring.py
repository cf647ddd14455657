"""The fuse box: Config -> real Host, Daemon, Tree, Watcher. The only importer of adapters.

Everything is imported when it is asked for, so that a command pays only for what it uses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from devbox.adapters.docker.daemon import DockerDaemon
    from devbox.adapters.local import LocalHost
    from devbox.adapters.ssh.connection import Connection as Connection
    from devbox.config.model import Config, Mapped
    from devbox.ports.ask import Ask
    from devbox.ports.check import Check
    from devbox.ports.daemon import Endpoint
    from devbox.ports.events import Emit
    from devbox.ports.host import HostAddress
    from devbox.ports.probe import Probe
    from devbox.ports.traces import SpoolSource
    from devbox.ports.tree import Owner
    from devbox.ports.watcher import Watcher
    from devbox.sync.place import Place
    from devbox.sync.session import Session

_T = TypeVar("_T")


def open_host(host: Config | str, ask: Ask | None = None) -> Connection:
    """Connect to a config's host, or to one by name; a context manager. Without `ask` nobody is asked."""
    from devbox.adapters.ssh.connection import connect

    return connect(host if isinstance(host, str) else host.host, ask)


def ssh_aliases() -> list[str]:
    """The hosts that the user's ssh config names."""
    from devbox.adapters.ssh.aliases import aliases

    return aliases()


def this_machine(ask: Ask) -> LocalHost:
    """The machine that devbox runs on, prepared like any host but without SSH; a context manager."""
    from devbox.adapters.local import LocalHost

    return LocalHost(ask)


def ssh_address(config: Config) -> tuple[HostAddress, tuple[str, ...]]:
    """Where the config's host is for SSH, and the identity files it offers; nothing is connected."""
    from devbox.adapters.ssh.resolve import resolve

    target = resolve(config.host)
    return target.address, target.identities


def ssh_names(config: Config) -> list[str]:
    """What the way to the config's host is called: its real name, its user, and the hosts on the way."""
    from devbox.adapters.ssh.resolve import resolve

    target = resolve(config.host)
    jumps = [word for jump in target.jumps for word in re.split(r"://|[@:]", jump)]
    return [target.address.hostname, target.address.user, *(word for word in jumps if not word.isdigit())]


def ssh_alias(config: Config) -> str:
    """The host's name in the ssh config where a jump host or ProxyCommand leads to it, else ""."""
    from devbox.adapters.ssh.resolve import parse, resolve

    target = resolve(config.host)
    return parse(config.host).host if target.jumps or target.proxy_command else ""


def probe() -> Probe:
    """What knocks at daemons' doors from outside."""
    from devbox.adapters.tlsprobe import TlsProbe

    return TlsProbe()


class Reach:
    """How `doctor` reaches a config's host and daemon: connected when asked for, kept to its end."""

    def __init__(self, config: Config, ask: Ask) -> None:
        from devbox.adapters.ssh.checks import Door

        self.config = config
        self._door = Door(lambda: open_host(config, ask))
        self._stack = ExitStack()
        self._daemon: DockerDaemon | None = None

    def __enter__(self) -> Reach:
        self._stack.callback(self._door.close)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def checks(self) -> list[Check]:
        """The links up to the login."""
        from devbox.adapters.ssh.checks import checks

        return checks(self.config.host, self._door)

    def host(self) -> Connection:
        """The host; raises what stands against it."""
        return self._door.connection()

    def daemon(self) -> DockerDaemon:
        """The host's daemon, over the config's endpoint."""
        if self._daemon is None:
            self._daemon = self.hold(open_daemon(self.config, self.host()))
        return self._daemon

    def hold(self, resource: AbstractContextManager[_T]) -> _T:
        """Enter a context that lasts as long as this one."""
        return self._stack.enter_context(resource)


@contextmanager
def open_daemon(config: Config, host: Connection | None = None) -> Iterator[DockerDaemon]:
    """The daemon of the config's host. Endpoints inside SSH use `host`, or a connection of their own."""
    from devbox.adapters.docker import dial
    from devbox.adapters.docker.daemon import DockerDaemon
    from devbox.config.model import Endpoint as Kind
    from devbox.ports.host import Socket

    kind = config.docker.endpoint
    with ExitStack() as stack:
        if kind is Kind.TLS:
            endpoint = endpoint_of(config)
            yield stack.enter_context(
                DockerDaemon(dial.tls(endpoint), endpoint.url, dial.tls_duplex(endpoint))
            )
            return
        link = host or stack.enter_context(open_host(config))
        if kind is Kind.SSH:
            socket = Socket(path="/var/run/docker.sock")
            opened = DockerDaemon(lambda: link.dial(socket), f"ssh://{config.host}")
        else:
            endpoint = endpoint_of(config)
            target = Socket("127.0.0.1", endpoint.port)
            carrier = lambda: link.dial(target)  # noqa: E731 - the same for both
            streams = dial.tls_inside(endpoint, carrier), dial.tls_inside_duplex(endpoint, carrier)
            opened = DockerDaemon(streams[0], endpoint.url, streams[1])
        yield stack.enter_context(opened)


def endpoint_of(config: Config) -> Endpoint:
    """The daemon's address: the host as SSH knows it, our certificates for it."""
    from devbox.adapters.ssh.resolve import resolve
    from devbox.config.paths import host_dir
    from devbox.ports.daemon import Endpoint, EndpointKind

    kind = EndpointKind(config.docker.endpoint.value)
    hostname = resolve(config.host).address.hostname
    return Endpoint(kind, hostname, config.docker.port, str(host_dir(config.host)))


def local_spools(folder: Path) -> SpoolSource:
    """The spans that processes of this machine left in a folder."""
    from devbox.adapters.spools import LocalSpools

    return LocalSpools(folder)


def host_spools(host: Connection, config: Config) -> SpoolSource:
    """The spans that the config's containers left on its host."""
    from devbox.adapters.spools import HostSpools

    return HostSpools(host, config.spools)


def sync_state(config: Config) -> Path:
    """Where the project's sync keeps index, lock and control socket."""
    from devbox.config.paths import project_state_dir

    return project_state_dir(config.root, config.host, config.file)


@contextmanager
def sync_sessions(
    config: Config, emit: Callable[[Mapped], Emit], ask: Ask | None = None, host: Connection | None = None
) -> Iterator[list[Session]]:
    """A sync session per mapping; they share one connection, which is made beside all else."""
    from functools import partial

    from devbox.adapters.trees import Trees
    from devbox.ports.ask import Nobody

    with ExitStack() as stack:
        connect = partial(open_host, config)
        trees = stack.enter_context(Trees(config.host, connect, ask or Nobody(), host))
        import devbox.adapters.ssh.connection  # noqa: F401 - first what it waits for, then the rest
        from devbox.sync.session import Session

        sessions = []
        for mapping in config.sync:
            place = sync_place(config, mapping)
            sessions.append(Session(place, partial(trees.open, mapping.remote), emit(mapping)))
            stack.callback(sessions[-1].close)
        yield sessions


def watch(place: Place, covers: Callable[[bytes, bool], bool]) -> Watcher:
    """What notices changes of a local tree on this system."""
    import platform

    if platform.system() == "Linux":
        from devbox.adapters.inotify import Inotify

        return Inotify(place.root, covers)
    from devbox.adapters.anywhere import Anywhere

    return Anywhere(place.root, covers)


def sync_place(config: Config, mapping: Mapped) -> Place:
    """A mapping's two roots, and where its index is."""
    import os
    from pathlib import Path

    from devbox.config.modes import Modes
    from devbox.config.paths import slug, stable
    from devbox.sync.place import Place

    root = os.path.realpath(os.path.join(os.fsencode(config.root), os.fsencode(mapping.local)))
    name = f"{Path(mapping.local).as_posix()}={mapping.remote}"
    state = sync_state(config) / "sync" / f"{slug(name)[:60]}-{stable(name)}"
    in_place = frozenset(os.fsencode(path) for path in mapping.in_place)
    modes = Modes.read(mapping.chmod)
    return Place(root, mapping.remote, config.host, state, mapping.ignore, in_place, _owner(state), modes)


def _owner(state: Path) -> Owner:
    """Who we are to others that want the same remote root."""
    import getpass
    import os
    import platform

    from devbox.config.paths import stable
    from devbox.ports.tree import Owner

    machine = platform.node()
    return Owner(stable(f"{machine}\0{state}"), f"{getpass.getuser()}@{machine}, process {os.getpid()}")
