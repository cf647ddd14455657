"""What is new between two looks at a project's containers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from devbox.ports.daemon import Container
from devbox.ports.events import Event
from devbox.services.model import service_of


def changes(before: Iterable[Container], after: Iterable[Container]) -> list[Event]:
    """What a person wants to hear of: services that came, went, ended, came back, got well or ill."""
    old = {service_of(one): one for one in before}
    new = {service_of(one): one for one in after}
    found = [_event(name, word, one) for name, one in new.items() for word in _words(old.get(name), one)]
    return [*found, *(_event(name, "removed", old[name]) for name in old if name not in new)]


def _event(name: str, word: str, one: Container) -> Event:
    data = {"service": name, "state": one.state, "health": one.health, "exit_code": one.exit_code}
    return Event("services.state", f"{name}: {word}", {**data, "said": word})


def _words(old: Container | None, new: Container) -> Iterator[str]:
    if old is None or old.id != new.id:
        yield f"{'made new, ' if old else ''}{_state(new)}"
    elif old.state != new.state:
        yield "started again" if new.running else _state(new)
    elif new.running and new.health and old.health != new.health:
        yield new.health


def _state(one: Container) -> str:
    if one.state == "exited":
        return f"ended with exit code {one.exit_code}"
    return f"{one.state}, {one.health}" if one.health else one.state
