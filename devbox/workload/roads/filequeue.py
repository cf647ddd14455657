"""A queue in a file (SQLite): for processes that share a folder and nothing else."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devbox.workload.contract import Payload
from devbox.workload.failures import Unavailable
from devbox.workload.roads.queue import Message
from devbox.workload.sqlite import Sqlite
from devbox.workload.store import Store

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, body TEXT NOT NULL,
    free REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS messages_free ON messages (topic, free);
CREATE TABLE IF NOT EXISTS dead (
    topic TEXT NOT NULL, body TEXT NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL
);
"""

_NEXT = (
    "SELECT id, body, free, attempts FROM messages WHERE topic = ? AND free <= ? ORDER BY free, id LIMIT 1"
)

_NEXT_FREE = "SELECT free FROM messages WHERE topic = ? ORDER BY free LIMIT 1"

_POLL = 0.005
"""Seconds between two looks at whether the file changed."""


class FileQueue:
    """Messages in a table; `free` is when a message may be taken: now, or when its lease ends."""

    def __init__(self, path: Path, lease: float = 10.0) -> None:
        self._store = Store(Sqlite(path), _SCHEMA)
        self._lease = lease

    def put(self, topic: str, body: Payload) -> None:
        """Hand a message over (see `Queue.put`)."""
        sql = "INSERT INTO messages (topic, body, free) VALUES (?, ?, ?)"
        with _stated(), self._store.write() as change:
            change.run(sql, topic, json.dumps(body), time.time())

    def take(self, topic: str, wait: float) -> Message | None:
        """Take the next message (see `Queue.take`)."""
        end = time.monotonic() + wait
        with _stated():
            while True:
                found = self._lend(topic)
                if found is not None or time.monotonic() >= end:
                    return found
                self._wait(topic, end)

    def _lend(self, topic: str) -> Message | None:
        now = time.time()
        if self._store.row(_NEXT, topic, now) is None:
            return None  # looking needs no lock; taking does
        with self._store.write() as change:
            row = change.row(_NEXT, topic, now)
            if row is None:
                return None
            attempt = row["attempts"] + 1
            change.run(
                "UPDATE messages SET free = ?, attempts = ? WHERE id = ?",
                now + self._lease,
                attempt,
                row["id"],
            )
        return Message(json.loads(row["body"]), int(row["free"] * 1e9), attempt, row["id"])

    def _wait(self, topic: str, end: float) -> None:
        """Wait until somebody wrote, a lease or a delay of this topic has ended, or it is `end`."""
        with self._store.borrow() as connection:
            before = _version(connection)
            next_free = connection.execute(_NEXT_FREE, (topic,)).fetchone()
            if next_free is not None:
                end = min(end, time.monotonic() + next_free[0] - time.time())
            while time.monotonic() < end and _version(connection) == before:
                time.sleep(_POLL)

    def done(self, topic: str, message: Message) -> None:
        """Forget a message (see `Queue.done`)."""
        with _stated(), self._store.write() as change:
            change.run("DELETE FROM messages WHERE id = ?", message.ticket)

    def again(self, topic: str, message: Message, delay: float) -> None:
        """Deliver a message once more (see `Queue.again`)."""
        with _stated(), self._store.write() as change:
            change.run("UPDATE messages SET free = ? WHERE id = ?", time.time() + delay, message.ticket)

    def bury(self, topic: str, message: Message, reason: str) -> None:
        """Put a message with the dead letters (see `Queue.bury`)."""
        with _stated(), self._store.write() as change:
            change.run("DELETE FROM messages WHERE id = ?", message.ticket)
            change.run(
                "INSERT INTO dead VALUES (?, ?, ?, ?)", topic, json.dumps(message.body), reason, time.time()
            )

    def dead(self, topic: str) -> int:
        """How many dead letters there are."""
        with _stated():
            row = self._store.row("SELECT count(*) AS count FROM dead WHERE topic = ?", topic)
        return int(row["count"]) if row else 0

    def close(self) -> None:
        """Let go of the file."""
        self._store.close()


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


@contextmanager
def _stated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Unavailable(f"the queue's file: {error}") from error
