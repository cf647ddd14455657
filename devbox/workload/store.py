"""A service's own data: a pool of connections to its database, transactions that are all or nothing."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from queue import LifoQueue
from threading import Lock
from typing import Any

from devbox.workload import hops
from devbox.workload.database import Database
from devbox.workload.failures import Unavailable
from devbox.workload.faults import Calm, Trouble

Row = Mapping[str, Any]

_CONNECTIONS = 8


@functools.cache
def _label(sql: str) -> str:
    """`SQL SELECT orders`: equal work has equal names."""
    table = re.search(r'(?:FROM|INTO|UPDATE)\s+"?(\w+)', sql)
    return " ".join(["SQL", sql.split()[0], *(table.groups() if table else ())])


class Transaction:
    """Statements that take effect together."""

    def __init__(self, database: Database, connection: Any, trouble: Trouble) -> None:
        self._database = database
        self._connection = connection
        self._trouble = trouble

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> Any:
        """Execute a statement as it is; its cursor."""
        return self._database.execute(self._connection, sql, values)

    def _run(self, sql: str, values: tuple[Any, ...]) -> Any:
        self._trouble.strike(_label(sql), self)
        return self.execute(sql, values)

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """All rows of a query."""
        with hops.inside(_label(sql), statement=sql):
            return list(self._run(sql, values).fetchall())

    def row(self, sql: str, *values: Any) -> Row | None:
        """The first row of a query, if there is one."""
        with hops.inside(_label(sql), statement=sql):
            found: Row | None = self._run(sql, values).fetchone()
            return found

    def run(self, sql: str, *values: Any) -> int:
        """Execute a statement; how many rows it touched. A key that is there already is `Taken`."""
        with hops.inside(_label(sql), statement=sql):
            return int(self._run(sql, values).rowcount)


class Store:
    """One service's data. Thread-safe."""

    def __init__(self, database: Database, schema: str, trouble: Trouble | None = None) -> None:
        self._database = database
        self._trouble = trouble or Calm()
        self._late = f"Store.release {database.name}s"
        self._single = Lock()
        # SQLite lets a second writer sleep and look again; among threads a lock wakes it at once.
        self._writing: AbstractContextManager[Any] = Lock() if database.one_writer else nullcontext()
        self._free: LifoQueue[Any] = LifoQueue()
        for _ in range(_CONNECTIONS):
            self._free.put(None)
        database.prepare(schema)

    @contextmanager
    def borrow(self) -> Iterator[Any]:
        """A connection of the pool, for as long as the context lasts; waits while all are out."""
        with self._one_only():
            connection = self._free.get()
            try:
                connection = connection or self._database.connect()
                yield connection
                self._trouble.strike(self._late)
            except Unavailable:
                if connection is not None:
                    connection.close()
                connection = None  # the next one makes a new connection
                raise
            finally:
                self._free.put(connection)

    @contextmanager
    def _one_only(self) -> Iterator[None]:
        """A pool of one, while that fault is on."""
        if not self._trouble.level("pool", self._late):
            yield
            return
        with hops.inside("Store.borrow"):
            self._single.acquire()
        try:
            yield
        finally:
            self._single.release()

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """All rows of a query outside a transaction."""
        with self.borrow() as connection:
            return Transaction(self._database, connection, self._trouble).rows(sql, *values)

    def row(self, sql: str, *values: Any) -> Row | None:
        """The first row of a query outside a transaction."""
        with self.borrow() as connection:
            return Transaction(self._database, connection, self._trouble).row(sql, *values)

    def close(self) -> None:
        """Close the connections that are not in use."""
        free = [self._free.get() for _ in range(self._free.qsize())]
        for connection in free:
            if connection is not None:
                connection.close()
            self._free.put(None)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that takes effect as a whole when the context ends well, and not at all otherwise."""
        with self.borrow() as connection, ExitStack() as turn:
            with hops.inside("SQL BEGIN"):  # the time that is spent waiting for other writers
                turn.enter_context(self._writing)
            yield from self._transaction(connection)

    def _transaction(self, connection: Any) -> Iterator[Transaction]:
        change = Transaction(self._database, connection, self._trouble)
        change.execute(self._database.begin)
        try:
            yield change
        except BaseException:
            with suppress(Unavailable):  # a lost connection has rolled back by itself
                change.execute("ROLLBACK")
            raise
        with hops.inside("SQL COMMIT"):
            change.execute("COMMIT")
