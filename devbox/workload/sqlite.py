"""SQLite: a file per service."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from devbox.workload.database import Taken

_BUSY_SECONDS = 10.0


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
