"""Doing the hooks of devbox.yaml: commands in the remote folder, restarts of services."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING

from devbox.cli.asking import Terminal
from devbox.cli.options import Options
from devbox.config.model import Config, Hook, Mapped
from devbox.errors import ConfigError, ScriptFailed
from devbox.ports.host import Finished, Line, Script

if TYPE_CHECKING:
    from devbox.ports.events import Emit
    from devbox.sync.hooks import Hooks
    from devbox.wiring import Connection


class Hooking:
    """The hooks of a config's mappings, while they are watched. Connected when the first one is due."""

    def __init__(self, run: Options, config: Config) -> None:
        self._run, self._config = run, config
        self._host: Connection | None = None
        self._lock = threading.Lock()
        self._hooks: list[Hooks] = []
        self._stack = ExitStack()

    def __enter__(self) -> Hooking:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hooks in self._hooks:
            hooks.close()
        self._stack.close()

    def hear(self, mapping: Mapped, emit: Emit) -> Emit:
        """What a mapping's session shall emit to, so that its hooks follow."""
        from devbox.sync.hooks import Hooks

        if not mapping.hooks:
            return emit
        for name in (name for hook in mapping.hooks for name in hook.restart):
            if self._config.service(name) is None:
                raise ConfigError(f"a hook restarts {name!r}, which is no service", where=self._config.file)
        self._hooks.append(Hooks(mapping.hooks, lambda hook, paths: self._do(mapping, hook, paths), emit))
        return self._hooks[-1]

    def _do(self, mapping: Mapped, hook: Hook, paths: Sequence[str]) -> None:
        host = self._connected()
        if hook.run:
            self._command(host, mapping, hook, paths)
        for name in hook.restart:
            self._restart(host, name)

    def _command(self, host: Connection, mapping: Mapped, hook: Hook, paths: Sequence[str]) -> None:
        """The paths are its arguments: `"$@"` in a text for the shell, appended to a list."""
        folder, _, rest = mapping.remote.partition("~/")
        place = f'"$HOME"/{shlex.quote(rest)}' if not folder and rest else shlex.quote(mapping.remote)
        given = " ".join(map(shlex.quote, paths))
        command = hook.run if isinstance(hook.run, str) else f'{shlex.join(hook.run)} "$@"'
        said: list[Line] = []
        for one in host.run(Script(f"cd {place} || exit\nset -- {given}\n{command}\n")):
            if isinstance(one, Finished) and one.code:
                where = f"{self._config.host}: {command}"
                raise ScriptFailed(
                    f"it ended with {one.code}", where=where, why=said[-1].text if said else ""
                )
            if not isinstance(one, Finished):
                said.append(one)
                self._run.console.say(one.text, "dim")

    def _restart(self, host: Connection, name: str) -> None:
        from devbox import wiring
        from devbox.services.running import Services

        with wiring.open_daemon(self._config, host) as daemon:
            Services(self._config, host, daemon, self._run.console.event).restart(name)

    def _connected(self) -> Connection:
        from devbox import wiring

        with self._lock:
            if self._host is None or not self._host.alive:
                self._host = wiring.open_host(self._config, Terminal(self._run.console))
                self._stack.callback(self._host.close)
            return self._host
