"""Where a service's data lies: in a file (SQLite), or in a PostgreSQL by its URL; told apart here only.

SQL is written once, with `?` for values, in what both understand.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from devbox.errors import UsageError

_BUSY_SECONDS = 10.0


class Taken(Exception):
    """A row with this key is there already."""


class Database(Protocol):
    """One service's database. Rows are mappings; what `connect` gives can be closed."""

    name: str
    begin: str
    """What begins a transaction that writes."""
    one_writer: bool
    """Whether writers wait for each other anyway, so that a lock of threads may do it for less."""

    def prepare(self, schema: str) -> None:
        """Make the tables where they are missing."""
        ...

    def connect(self) -> Any:
        """A new connection, which is in no transaction until it is told `begin`."""
        ...

    def execute(self, connection: Any, sql: str, values: tuple[Any, ...]) -> Any:
        """Execute a statement; its cursor. A broken constraint is `Taken`, a lost database `Unavailable`."""
        ...


class Sqlite:
    """A file. The write-ahead log survives the death of the process at any point (it is flushed to the disk
    only at checkpoints, so the last moments may be lost when the machine itself dies)."""

    begin = "BEGIN IMMEDIATE"
    one_writer = True

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.name = path.stem
        self._path = path

    def prepare(self, schema: str) -> None:
        """See `Database.prepare`."""
        connection = self.connect()
        self._keep_a_log(connection)
        connection.executescript(schema)
        connection.close()

    @staticmethod
    def _keep_a_log(connection: sqlite3.Connection) -> None:
        """Have the file written ahead. SQLite does not wait here when several processes do it at once."""
        end = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def connect(self) -> sqlite3.Connection:
        """See `Database.connect`."""
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    def execute(self, connection: sqlite3.Connection, sql: str, values: tuple[Any, ...]) -> Any:
        """See `Database.execute`."""
        try:
            return connection.execute(sql, values)
        except sqlite3.IntegrityError as error:
            raise Taken(str(error)) from None


def open_database(url: str, state: Path, name: str) -> Database:
    """The database of the service `name`: on the server at `url`, or a file in `state` when that is empty."""
    if not url:
        return Sqlite(state / f"{name}.db")
    if not url.startswith(("postgresql://", "postgres://")):
        raise UsageError(f"SHOP_DATABASE wants postgresql://…, found {url.partition(':')[0]}:…")
    return _postgres(name)(url, name)


def _postgres(name: str) -> Callable[[str, str], Database]:
    try:
        from devbox.workload.postgres import Postgres
    except ImportError as error:
        raise UsageError(
            "the client library for PostgreSQL is not installed",
            where=f"the database of the {name} service",
            why=str(error),
            next_steps=['pip install "devbox[postgres]"'],
        ) from None
    return Postgres
