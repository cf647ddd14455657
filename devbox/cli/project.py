"""What commands about a running project share: its host, its daemon, its services, its forwarding process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devbox.cli.options import Options
from devbox.config.model import Config
from devbox.config.paths import project_state_dir
from devbox.errors import ConfigError
from devbox.ports.daemon import Daemon
from devbox.services.forwarded import StateFile
from devbox.services.running import Services

if TYPE_CHECKING:
    from devbox.cli.console import Console
    from devbox.wiring import Connection

_PATIENCE = 30.0
_DEAD_LINK = 15.0  # a change of networks is shorter; who waits for an answer would rather know


@dataclass(frozen=True, slots=True)
class Project:
    """A project with a live connection to its host and daemon."""

    config: Config
    host: Connection
    daemon: Daemon
    services: Services


def require_host(config: Config) -> Config:
    """The config, if it names a host; a `ConfigError` with the ways to name one otherwise."""
    if not config.host:
        raise ConfigError(
            "no host is named",
            where=config.file,
            next_steps=["add a line such as  host: dev@10.0.0.200", "or give --host NAME"],
        )
    return config


@contextmanager
def opened(run: Options) -> Iterator[Project]:
    """The project of this run, connected."""
    from devbox import wiring
    from devbox.cli.asking import Terminal

    config = require_host(run.load())
    with (
        wiring.open_host(config, Terminal(run.console)) as host,
        wiring.open_daemon(config, host) as daemon,
    ):
        host.impatient(_DEAD_LINK)
        yield Project(config, host, daemon, Services(config, host, daemon, run.console.event))


def reconnecting(run: Options, live: Project) -> Callable[[], AbstractContextManager[Services]]:
    """What connects again and again: first it is the connection that is there, then a new one each time."""
    first = [live.services]

    @contextmanager
    def connect() -> Iterator[Services]:
        if first:
            yield first.pop()
            return
        with opened(run) as again:
            yield again.services

    return connect


def forward_state(config: Config) -> StateFile:
    """Where this project's forwarding process says its addresses."""
    return StateFile(project_state_dir(config.root, config.host))


def start_forwarding(run: Options, config: Config, services: frozenset[str]) -> dict[str, list[str]]:
    """Make sure that a process of its own forwards these services' ports; their addresses here."""
    state = forward_state(config)
    pid = state.owner()
    if pid is None:
        state.folder.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "devbox", "--config", config.file, "--host", config.host]
        with (state.folder / "forward.log").open("ab") as log:
            # It stays when this command and its terminal are gone; `devbox down` ends it.
            child = subprocess.Popen(
                [*words, "forward", "--json"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env=_absolute_path_env(),
            )
        pid = child.pid
    found = state.wait(pid, services, _PATIENCE)
    if missing := services - set(found):
        log_path = state.folder / "forward.log"
        run.console.warn(f"not forwarded yet: {', '.join(sorted(missing))}; see {log_path}")
    return found


def _absolute_path_env() -> dict[str, str]:
    """The environment with PYTHONPATH made absolute: the child does not start where we did."""
    env = dict(os.environ)
    if "PYTHONPATH" in env:
        env["PYTHONPATH"] = os.pathsep.join(
            os.path.abspath(part) for part in env["PYTHONPATH"].split(os.pathsep)
        )
    return env


def show_addresses(console: Console, addresses: dict[str, list[str]]) -> None:
    """Say where the services answer."""
    for service, urls in sorted(addresses.items()):
        for url in urls:
            console.say(f"  {service:<12} {url}")
