"""The window of `devbox up --watch`: saves, logs, health and keys in one place, until it is closed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence

from devbox.cli import project
from devbox.cli.following import Printer
from devbox.cli.options import Options
from devbox.cli.project import Project
from devbox.errors import DevboxError
from devbox.ports.events import Event
from devbox.services.following import Follower

_KEYS = "123456789"


class Window:
    """One project's day. Closing it (q, ^C) leaves the services running."""

    def __init__(self, run: Options, live: Project) -> None:
        self.run, self.live = run, live
        self.stop = threading.Event()
        self.names = [one.name for one in live.config.services]
        self.printer = Printer(run.console, self.names)
        self.keys = dict(zip(_KEYS, self.names, strict=False))
        connect = project.reconnecting(run, live)
        self.follower = Follower(connect, self.names, self.printer.line, self.printer.event)

    def stay(self, synced: bool, fresh: Sequence[str]) -> None:
        """Until closed; `fresh` services were just made, so that all they said is new."""
        past = {name: 0 for name in self.names if name not in fresh}
        work = (self.stop, past)
        threading.Thread(target=self.follower.run, args=work, name="devbox-follow", daemon=True).start()
        with self._keys():
            self.run.console.say(f"watching; {self._legend()}", "dim")
            try:
                if synced:
                    from devbox.cli.sync import watch_until

                    watch_until(self.run, self.live.config, self.stop)
                else:
                    self.stop.wait()
            finally:
                self.stop.set()

    def _keys(self) -> contextlib.AbstractContextManager[None]:
        if not self.run.console.interactive:
            return contextlib.nullcontext()
        from devbox.cli.keys import keys

        return keys(self._pressed)

    def _legend(self) -> str:
        if not self.run.console.interactive:
            return "^C ends the watching, `devbox down` the services"
        restarts = ", ".join(f"{key} {name}" for key, name in self.keys.items())
        return f"restart: {restarts}; ? this line, q closes the window, `devbox down` ends the services"

    def _pressed(self, key: str) -> None:
        if key == "q":
            self.stop.set()
        elif key in self.keys:
            name = self.keys[key]
            threading.Thread(target=self._restart, args=(name,), name="devbox-restart", daemon=True).start()
        elif key == "?":
            self.run.console.say(self._legend(), "dim")

    def _restart(self, name: str) -> None:
        services = self.follower.services
        try:
            if services is None:
                raise DevboxError("not restarted: there is no connection to the host now")
            services.restart(name)
            self.printer.event(Event("services.restarted", f"{name}: restarted", {"service": name}))
        except DevboxError as error:
            self.printer.event(Event("services.failed", f"{name}: {error}", {"service": name}))
