"""How a session is doing, and the questions that other threads ask it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from devbox.ports.watcher import Watcher


@dataclass(slots=True)
class State:
    """What the status line and `--status` say."""

    word: str = "starting"
    queued: int = 0
    last: str = ""
    rtt: float = 0.0
    saves: int = 0


@dataclass(slots=True)
class Flush:
    """Someone waits until everything saved before now is there, and `action` was done after it."""

    action: Callable[[], object] | None = None
    done: threading.Event = field(default_factory=threading.Event)
    report: dict[str, object] = field(default_factory=dict)


class Requests:
    """Flushes that were asked for, from any thread; the watching thread is woken for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Flush] = []
        self.watcher: Watcher | None = None

    def ask(self, action: Callable[[], object] | None) -> Flush:
        request = Flush(action)
        with self._lock:
            self._waiting.append(request)
        self.wake()
        return request

    def wake(self) -> None:
        """Let the watching thread look around now."""
        if self.watcher:
            self.watcher.wake()

    def take(self) -> list[Flush]:
        """All that wait; they are the caller's from now on."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        return waiting
