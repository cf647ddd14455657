"""The index: what both sides last agreed on, path by path. SQLite in WAL mode, with a format version.

An intent is written before an operation is sent and goes when its outcome is recorded: after a SIGKILL it
says what may stand on the host besides what the index knows.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from devbox.ports.tree import Entry, Kind, Operation
from devbox.sync import rows
from devbox.sync.marks import Marks
from devbox.sync.model import Record

_LOG_PAGES = 4000
"""Pages of the write-ahead log (4 kB each) from which on a save has to wait while it is cleared."""
_AFTER_ALL = b"\xff" * 4096
"""No path is behind this one."""


class Index:
    """One mapping's index. Every change is a transaction of its own unless inside `together`."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = file
        self._db = self._open()

    def records(self, below: bytes = b"") -> dict[bytes, Record]:
        """The records of a path and of everything below it; all for b""."""
        # Two queries: one that may mean all as well makes SQLite read all, for a single folder too.
        one = " WHERE path = ?1 OR (path >= ?2 AND path < ?3)" if below else ""
        bounds = (below, below + b"/", below + b"0") if below else ()
        return {row[0]: rows.record(row) for row in self._db.execute(f"SELECT * FROM entry{one}", bounds)}

    def records_of(self, folders: Collection[bytes]) -> dict[bytes, Record]:
        """The records of all folders, and of what is directly in these."""
        found = self._db.execute(f"SELECT * FROM entry WHERE {rows.IS_FOLDER}").fetchall()
        for folder in folders:
            prefix = folder + b"/" if folder else b""
            found += self._db.execute(
                "SELECT * FROM entry WHERE path >= ? AND path < ? AND instr(substr(path, ?), x'2f') = 0",
                (prefix, folder + b"0" if folder else _AFTER_ALL, len(prefix) + 1),
            )
        return {row[0]: rows.record(row) for row in found}

    def marks(self) -> dict[bytes, Marks]:
        """The folders that were in step, by their marks; none while anything is open."""
        if self._db.execute("SELECT 1 FROM intent UNION SELECT 1 FROM conflict LIMIT 1").fetchone():
            return {}
        return {path: Marks(here, there) for path, here, there in self._db.execute("SELECT * FROM mark")}

    def mark(self, looked_at: Iterable[bytes], learned: Mapping[bytes, Marks]) -> None:
        """These folders were looked at whole; those that are in step have marks now, the others none."""
        with self.together():
            self._db.executemany("DELETE FROM mark WHERE path = ?", [(path,) for path in looked_at])
            marked = [(path, one.here, one.there) for path, one in learned.items()]
            self._db.executemany("INSERT INTO mark VALUES (?,?,?)", marked)
            self._db.execute(
                "DELETE FROM mark WHERE path <> x''"
                f" AND path NOT IN (SELECT path FROM entry WHERE {rows.IS_FOLDER})"
            )

    def record(self, path: bytes) -> Record | None:
        """The record of one path."""
        row = self._db.execute("SELECT * FROM entry WHERE path = ?", (path,)).fetchone()
        return rows.record(row) if row else None

    def knows(self, path: bytes) -> bool:
        """Whether anything is in it at a path or below."""
        return self._any("entry", "path", path)

    def unsettled(self, path: bytes) -> bool:
        """Whether anything is open at a path or below: a conflict, or what an interrupted session began."""
        return (
            self._any("intent", "path", path)
            or self._any("intent", "target", path)
            or self._any("conflict", "path", path)
        )

    def folders(self) -> set[bytes]:
        """The folders in it."""
        return {path for (path,) in self._db.execute(f"SELECT path FROM entry WHERE {rows.IS_FOLDER}")}

    def count(self) -> int:
        """How many files and links are in it."""
        # Counting all is quick, and so are the folders by their index; a condition would read every row.
        (count,) = self._db.execute(
            f"SELECT (SELECT count(*) FROM entry) - (SELECT count(*) FROM entry WHERE {rows.IS_FOLDER})"
        ).fetchone()
        return int(count)

    def agree(self, path: bytes, record: Record, settled: bool = True) -> None:
        """Both sides have this now. Not `settled`: only the local side was looked at, intents stay open."""
        self._db.execute(rows.KEEP, rows.row(path, record))
        if settled:
            self._settle([(path,)])

    def agree_all(self, records: Mapping[bytes, Record]) -> None:
        """Both sides have all this now."""
        self._db.executemany(rows.KEEP, [rows.row(path, record) for path, record in records.items()])
        self._settle([(path,) for path in records])

    def forget(self, path: bytes) -> None:
        """Neither side has it, or it is no business of ours any more."""
        self._db.execute("DELETE FROM entry WHERE path = ?", (path,))
        self._settle([(path,)])

    def cleared(self, path: bytes) -> None:
        """The host has nothing there any more; what is on its way there is still open."""
        self._db.execute("DELETE FROM entry WHERE path = ?", (path,))

    def moved(self, old: bytes, new: bytes) -> None:
        """A folder and all below it have another name now, on both sides."""
        self._db.execute(
            "UPDATE OR REPLACE entry SET path = CAST(?4 || substr(path, ?5) AS BLOB)"
            " WHERE path = ?1 OR (path >= ?2 AND path < ?3)",
            (old, old + b"/", old + b"0", new, len(old) + 1),
        )
        self._db.execute("DELETE FROM intent WHERE path = ? AND target = ?", (new, old))

    def conflict(self, path: bytes, why: str) -> None:
        """Keep a conflict until it is resolved."""
        self._db.execute("INSERT OR REPLACE INTO conflict VALUES (?, ?)", (path, why))

    def conflicts(self) -> dict[bytes, str]:
        """What is unresolved."""
        return dict(self._db.execute("SELECT path, why FROM conflict ORDER BY path"))

    def resolved(self, path: bytes) -> None:
        self._db.execute("DELETE FROM conflict WHERE path = ?", (path,))

    def intend(self, operations: Iterable[Operation]) -> None:
        """Journal what is about to be sent."""
        intents = [row for row in map(rows.intent, operations) if row]
        with self.together():
            self._db.executemany("INSERT INTO intent VALUES (?,?,?,?,?)", intents)

    def intents(self) -> dict[bytes, tuple[Entry, ...]]:
        """What a session that did not end may have left on the host."""
        found: dict[bytes, tuple[Entry, ...]] = {}
        left = self._db.execute("SELECT * FROM intent WHERE kind <> ? OR target = x''", (Kind.DIRECTORY,))
        for path, kind, size, mtime, target in left:
            # Coarse: it is not written down which lane it was; plain SFTP keeps whole seconds only.
            entry = Entry(Kind(kind), size, mtime, target=target, coarse=True)
            found[path] = (*found.get(path, ()), entry)
        return found

    def moves(self) -> list[tuple[bytes, bytes]]:
        """Renames of folders, old and new, of which it is not known whether they happened."""
        query = "SELECT target, path FROM intent WHERE kind = ? AND target <> x'' ORDER BY rowid"
        return list(self._db.execute(query, (Kind.DIRECTORY,)))

    def undone(self, operation: Operation) -> None:
        """This operation surely changed nothing: its intent goes, others of its path stay."""
        what = rows.intent(operation)
        if what is None:
            return
        # Only the newest: the same intent of a session that was killed may have been carried out.
        self._db.execute(
            "DELETE FROM intent WHERE rowid = (SELECT max(rowid) FROM intent"
            " WHERE path = ? AND kind = ? AND size = ? AND mtime = ? AND target = ?)",
            what,
        )

    def forget_intents(self, but: set[bytes]) -> None:
        """Everything was looked at: what is still open is no intent of ours, `but` for these paths."""
        gone = [
            (path,) for (path,) in self._db.execute("SELECT DISTINCT path FROM intent") if path not in but
        ]
        with self.together():
            self._db.executemany("DELETE FROM intent WHERE path = ?", gone)

    @property
    def token(self) -> bytes:
        """The mark of the remote root that this index is about; b"" before the first run."""
        row = self._db.execute("SELECT value FROM meta WHERE key = 'token'").fetchone()
        return bytes(row[0]) if row else b""

    def start_over(self, token: bytes) -> None:
        """Another root: nothing is known, so nothing can be deleted or overwritten."""
        with self.together():
            for table in ("entry", "intent", "conflict", "mark"):
                self._db.execute(f"DELETE FROM {table}")
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('token', ?)", (token,))

    @contextmanager
    def together(self) -> Iterator[None]:
        """All or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def tidy(self) -> None:
        """Clear the write-ahead log while nobody waits: that asks the disk to be done with it."""
        self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        self._db.close()

    def _any(self, table: str, column: str, path: bytes) -> bool:
        found = self._db.execute(
            f"SELECT 1 FROM {table} WHERE {column} = ?1 OR ({column} >= ?2 AND {column} < ?3) LIMIT 1",
            (path, path + b"/", path + b"0"),
        )
        return found.fetchone() is not None

    def _settle(self, paths: list[tuple[bytes]]) -> None:
        self._db.executemany("DELETE FROM intent WHERE path = ?", paths)
        if self._db.execute("SELECT 1 FROM conflict LIMIT 1").fetchone():
            self._db.executemany("DELETE FROM conflict WHERE path = ?", paths)

    def _open(self) -> sqlite3.Connection:
        """Open, or start anew where the file is damaged or of another format: adoption brings it back."""
        try:
            db = self._connect()
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == rows.FORMAT:
                db.executescript(rows.LATER)
                return db
            fresh = version == 0 and not db.execute("SELECT 1 FROM sqlite_master").fetchone()
            db.close()
        except sqlite3.DatabaseError:
            fresh = False
        if not fresh:
            self._set_aside()
        db = self._connect()
        db.executescript(f"BEGIN;{rows.SCHEMA}{rows.LATER}PRAGMA user_version = {rows.FORMAT};COMMIT;")
        return db

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._file, isolation_level=None, timeout=10, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        return db

    def _set_aside(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            file = f"{self._file}{suffix}"
            if os.path.exists(file):
                os.replace(file, f"{self._file}.damaged{suffix}")
