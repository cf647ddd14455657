"""A service's own data: SQLite in a file, a pool of connections, transactions that are all or nothing."""

from __future__ import annotations

import functools
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import LifoQueue
from typing import Any

from devbox.workload import hops

Row = sqlite3.Row

_BUSY_SECONDS = 10.0


@functools.cache
def _label(sql: str) -> str:
    """`SQL SELECT orders`: equal work has equal names."""
    table = re.search(r'(?:FROM|INTO|UPDATE)\s+"?(\w+)', sql)
    return " ".join(["SQL", sql.split()[0], *(table.groups() if table else ())])


class Transaction:
    """Statements that take effect together."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """All rows of a query."""
        with hops.inside(_label(sql), statement=sql):
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> Row | None:
        """The first row of a query, if there is one."""
        with hops.inside(_label(sql), statement=sql):
            found: Row | None = self._connection.execute(sql, values).fetchone()
            return found

    def run(self, sql: str, *values: Any) -> int:
        """Execute a statement; how many rows it touched. A broken constraint is `sqlite3.IntegrityError`."""
        with hops.inside(_label(sql), statement=sql):
            return self._connection.execute(sql, values).rowcount


class Store:
    """One database file. Thread-safe; `write` transactions wait for each other, `read` ones for nobody.

    The write-ahead log survives the death of the process at any point (it is flushed to the disk only at
    checkpoints, so the last moments may be lost when the machine itself dies).
    """

    def __init__(self, path: Path, schema: str, connections: int = 8) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._free: LifoQueue[sqlite3.Connection | None] = LifoQueue()
        for _ in range(connections):
            self._free.put(None)
        first = self._connect()
        first.executescript(schema)
        first.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    @contextmanager
    def borrow(self) -> Iterator[sqlite3.Connection]:
        """A connection of the pool, for as long as the context lasts; waits while all are out."""
        connection = self._free.get()
        try:
            connection = connection or self._connect()
            yield connection
        finally:
            self._free.put(connection)

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """All rows of a query outside a transaction."""
        with self.borrow() as connection:
            return Transaction(connection).rows(sql, *values)

    def row(self, sql: str, *values: Any) -> Row | None:
        """The first row of a query outside a transaction."""
        with self.borrow() as connection:
            return Transaction(connection).row(sql, *values)

    def close(self) -> None:
        """Close the connections that are not in use."""
        for _ in range(self._free.qsize()):
            connection = self._free.get()
            if connection is not None:
                connection.close()
            self._free.put(None)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that takes effect as a whole when the context ends well, and not at all otherwise."""
        with self.borrow() as connection:
            with hops.inside("SQL BEGIN"):  # the time that is spent waiting for other writers
                connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(connection)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            with hops.inside("SQL COMMIT"):
                connection.execute("COMMIT")
