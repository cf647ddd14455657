"""Waiting for services: until what they depend on is there, and until fresh ones have settled."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from devbox.config.model import Config, Service
from devbox.errors import DaemonError
from devbox.ports.daemon import Container, Daemon
from devbox.ports.events import Emit, Event
from devbox.services.model import Wanted

_POLL = 0.2
_SETTLE = 1.0
_LAST_LINES = 20


class Waiting:
    """Looks at containers until they are as wanted; `name` gives a service's container."""

    def __init__(self, config: Config, daemon: Daemon, name: Callable[[str], str], emit: Emit) -> None:
        self.config, self.daemon, self.name, self.emit = config, daemon, name, emit

    def depended(self, dependent: Service) -> None:
        """Wait until what a service depends on is as it wants it: healthy where that can be told, or done."""
        for name in dependent.depends_on:
            service, condition = self.config.service(name), dependent.conditions.get(name, "")
            if condition == "service_completed_successfully":
                self._completed(name)
            elif service is not None and service.health is not None and condition != "service_started":
                self._healthy(service)

    def _completed(self, service: str) -> None:
        container = self.daemon.container(self.name(service))
        if container is None or self.daemon.wait(container.id):
            raise self._died(service, self.daemon.container(self.name(service)))

    def _healthy(self, service: Service) -> None:
        health = service.health
        assert health is not None
        patience = health.start_period + (health.interval + health.timeout) * (health.retries + 1)
        deadline = time.monotonic() + patience
        while True:
            container = self.daemon.container(self.name(service.name))
            if container is None or not container.running:
                raise self._died(service.name, container)
            if container.health == "healthy":
                data = {"service": service.name}
                self.emit(Event("services.healthy", f"{service.name}: healthy", data))
                return
            if container.health == "unhealthy" or time.monotonic() > deadline:
                raise self._died(service.name, container)
            time.sleep(_POLL)

    def settled(self, fresh: Sequence[Wanted]) -> None:
        """A service that ends in its first second never worked: say so now, with its last words."""
        deadline = time.monotonic() + _SETTLE
        plain = [one for one in fresh if one.service.health is None]
        while plain and time.monotonic() < deadline:
            for one in plain:
                container = self.daemon.container(one.spec.name)
                failed = container is not None and container.state in ("exited", "dead", "restarting")
                if failed and container and (container.exit_code or container.state == "restarting"):
                    raise self._died(one.service.name, container)
            time.sleep(_POLL)
        for one in fresh:
            if one.service.health is not None:
                self._healthy(one.service)

    def _died(self, service: str, container: Container | None) -> DaemonError:
        lines = self.last_lines(container.name) if container else []
        state = "is gone" if container is None else f"ended with exit code {container.exit_code}"
        if container is not None and container.running:
            state = f"does not get healthy ({container.health})"
        why = (
            "\n".join(["its last lines:", *(f"    {line}" for line in lines)]) if lines else "it said nothing"
        )
        return DaemonError(f"service {service} {state}", why=why, next_steps=[f"devbox logs {service}"])

    def last_lines(self, container: str) -> list[str]:
        """The last lines that a container wrote."""
        with self.daemon.logs(container, tail=_LAST_LINES) as pieces:
            text = b"".join(piece.data for piece in pieces).decode(errors="replace")
        return text.rstrip().splitlines()
