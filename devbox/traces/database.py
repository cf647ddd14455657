"""The SQLite file behind the store: opened, versioned, bounded, written in whole transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devbox.errors import DevboxError
from devbox.traces.migrate import from_version_2
from devbox.traces.model import Operation
from devbox.traces.schema import SCHEMA, VERSION

PAGE = 4096
LEAST_BOUND = 256 << 10
"""Below this not even the empty tables and one trace have room."""
_PATIENCE = 30
_LEAST_RESERVE = 16 * PAGE


class Full(Exception):
    """The bound is reached: something has to go first."""


class Database:
    """One connection. `used` by one thread at a time; other connections may read beside a writer."""

    def __init__(self, path: Path, bound: int) -> None:
        self.path = path
        self.bound = max(bound, LEAST_BOUND)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.db = sqlite3.connect(
                path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False, cached_statements=256
            )
            self._open()
        except sqlite3.DatabaseError as error:
            raise DevboxError(
                "cannot open the store of traces", where=str(path), why=str(error), next_steps=[f"rm {path}"]
            ) from error

    def _open(self) -> None:
        # What is written ahead counts too: a quarter of the bound is for that.
        ahead = max(16, min(1000, self.bound // 16 // PAGE))
        for pragma in (
            f"page_size = {PAGE}",
            "journal_mode = WAL",
            "synchronous = NORMAL",
            f"wal_autocheckpoint = {ahead}",
            f"journal_size_limit = {ahead * PAGE}",
            f"max_page_count = {self.room // PAGE}",
            "cache_size = -16000",
        ):
            self.db.execute(f"PRAGMA {pragma}")
        if self._pragma("user_version") != VERSION:
            self._renew()

    def _renew(self) -> None:
        """Create the tables, or bring those of an older version along."""
        # What is brought along is packed anew before the old place is free: the reserve is for that too.
        self.db.execute(f"PRAGMA max_page_count = {self.bound // PAGE}")
        with self.writing():
            version = self._pragma("user_version")
            if version == VERSION:  # another process was quicker
                pass
            elif version == 2:
                from_version_2(self.db)
            else:
                self._create()
            self.db.execute(f"PRAGMA user_version = {VERSION}")
        self.db.execute(f"PRAGMA max_page_count = {self.room // PAGE}")

    def _create(self) -> None:
        for (table,) in self.db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            self.db.execute(f"DROP TABLE {table}")
        for statement in SCHEMA.split(";"):
            self.db.execute(statement)

    def _pragma(self, name: str) -> int:
        return int(self.db.execute(f"PRAGMA {name}").fetchone()[0])

    @contextmanager
    def removing(self) -> Iterator[None]:
        """A transaction that makes room. What it has to write for that may take pages of a small reserve,
        for it is begun when not one is free.
        """
        reserve = max(_LEAST_RESERVE, self.bound // 32)
        self.db.execute(f"PRAGMA max_page_count = {(self.room + reserve) // PAGE}")
        try:
            with self.writing():
                yield
        finally:
            self.db.execute(f"PRAGMA max_page_count = {self.room // PAGE}")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction: all of it or nothing. `Full` when the bound is in the way."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except sqlite3.OperationalError as error:
            self._undo()
            if "is full" in str(error):  # SQLITE_FULL; Python names the code only from 3.11 on
                raise Full from error
            raise
        except BaseException:
            self._undo()
            raise
        self.db.execute("COMMIT")

    def _undo(self) -> None:
        if self.db.in_transaction:  # SQLite ends some transactions itself, a full one among them
            self.db.execute("ROLLBACK")

    @property
    def room(self) -> int:
        """Bytes that pages may take."""
        return self.bound * 3 // 4 // PAGE * PAGE

    def used(self) -> int:
        """Bytes that hold something, and that the next ones cannot have."""
        return (self._pragma("page_count") - self._pragma("freelist_count")) * PAGE

    def operations(self) -> dict[int, Operation]:
        """All operations by their number."""
        rows = self.db.execute("SELECT id, service, name, kind, function, file, line FROM operation")
        return {number: Operation(*about) for number, *about in rows}
