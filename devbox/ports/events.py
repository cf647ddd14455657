"""The one event envelope: what long work says while it runs, to people and to `--json` streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    `kind` is `room.thing` (`build.step`, `sync.applied`, `init.verified`); `text` is the line for people;
    `data` is the same for programs (JSON values only, no secrets).
    """

    kind: str
    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self, at: float) -> dict[str, Any]:
        """The envelope of a `--json` stream; `at` is in seconds since the epoch."""
        return {
            "format": FORMAT,
            "at": round(at, 6),
            "kind": self.kind,
            "text": self.text,
            "data": dict(self.data),
        }


Emit = Callable[[Event], None]


class Listener(Protocol):
    """Whoever wants to know: the console, a JSON stream, a test."""

    def __call__(self, event: Event) -> None: ...


def ignore(event: Event) -> None:
    """The listener of those who do not care."""
