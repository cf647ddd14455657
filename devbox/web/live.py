"""A live channel: numbered messages to any number of pages, whichever way they listen."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

KEPT = 1000
LONGEST_WAIT = 25.0
"""Seconds; proxies and browsers give up on silent connections after 30."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is new for a listener. `gap`: it was away too long (or we restarted) and has to load anew."""

    epoch: str
    last: int
    gap: bool
    messages: list[Any]

    def as_data(self) -> dict[str, Any]:
        """As it goes over the wire, the same on every transport."""
        return {"epoch": self.epoch, "last": self.last, "gap": self.gap, "messages": self.messages}


class Channel:
    """Keeps the last messages, so that a listener that was away for a moment misses nothing."""

    def __init__(self) -> None:
        self.epoch = secrets.token_hex(4)
        self._last = 0
        self._kept: deque[tuple[int, Any]] = deque(maxlen=KEPT)
        self._changed = threading.Condition()
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    def publish(self, message: Any) -> None:
        """Give a JSON value to all listeners."""
        with self._changed:
            self._last += 1
            self._kept.append((self._last, message))
            self._changed.notify_all()

    def close(self) -> None:
        """Let every waiting listener go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def after(self, epoch: str, last: int, wait: float = 0.0) -> Batch:
        """What came after message `last` of `epoch`; waits up to `wait` seconds when there is nothing yet.

        A listener that names no epoch is a new one: it gets nothing but the number to go on from.
        """
        with self._changed:
            if not epoch:
                return Batch(self.epoch, self._last, False, [])
            if epoch != self.epoch or last > self._last:
                return Batch(self.epoch, self._last, True, [])
            self._changed.wait_for(lambda: self._last > last or self._closed, min(wait, LONGEST_WAIT))
            oldest = self._kept[0][0] if self._kept else self._last + 1
            if last + 1 < oldest and self._last > last:
                return Batch(self.epoch, self._last, True, [])
            return Batch(
                self.epoch, self._last, False, [text for number, text in self._kept if number > last]
            )
