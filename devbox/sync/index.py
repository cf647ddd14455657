"""The index: what both sides last agreed on, path by path. SQLite in WAL mode, with a format version.

An intent is written before an operation is sent and goes when its outcome is recorded: after a SIGKILL it
says what may stand on the host besides what the index knows.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from devbox.ports.tree import Entry, Kind, MakeDirectory, Move, Operation, Put, PutLink, SetMeta
from devbox.sync.model import Local, Record

FORMAT = 1

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE entry (
    path BLOB PRIMARY KEY, kind INTEGER NOT NULL,
    size INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL, inode INTEGER NOT NULL,
    mode INTEGER NOT NULL, target BLOB NOT NULL,
    there_kind INTEGER NOT NULL, there_size INTEGER NOT NULL, there_mtime INTEGER NOT NULL,
    there_ctime INTEGER NOT NULL, there_coarse INTEGER NOT NULL, there_target BLOB NOT NULL,
    digest BLOB NOT NULL, racy INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE intent (path BLOB NOT NULL, kind INTEGER NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL,
    target BLOB NOT NULL);
CREATE INDEX intent_path ON intent (path);
CREATE TABLE conflict (path BLOB PRIMARY KEY, why TEXT NOT NULL) WITHOUT ROWID;
"""
_KINDS = {int(kind): kind for kind in Kind}
_KEEP = "INSERT OR REPLACE INTO entry VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"


class Index:
    """One mapping's index. Every change is a transaction of its own unless inside `together`."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = file
        self._db = self._open()

    def records(self, below: bytes = b"") -> dict[bytes, Record]:
        """The records of a path and of everything below it; all for b""."""
        rows = self._db.execute(
            "SELECT * FROM entry WHERE ?1 = x'' OR path = ?1 OR (path >= ?2 AND path < ?3)",
            (below, below + b"/", below + b"0"),
        )
        return {row[0]: _record(row) for row in rows}

    def record(self, path: bytes) -> Record | None:
        """The record of one path."""
        row = self._db.execute("SELECT * FROM entry WHERE path = ?", (path,)).fetchone()
        return _record(row) if row else None

    def count(self) -> int:
        """How many files and links are in it."""
        (count,) = self._db.execute(
            "SELECT count(*) FROM entry WHERE kind <> ?", (Kind.DIRECTORY,)
        ).fetchone()
        return int(count)

    def agree(self, path: bytes, record: Record, settled: bool = True) -> None:
        """Both sides have this now. Not `settled`: only the local side was looked at, intents stay open."""
        self._db.execute(_KEEP, _row(path, record))
        if settled:
            self._settle([(path,)])

    def agree_all(self, records: Mapping[bytes, Record]) -> None:
        """Both sides have all this now."""
        self._db.executemany(_KEEP, [_row(path, record) for path, record in records.items()])
        self._settle([(path,) for path in records])

    def forget(self, path: bytes) -> None:
        """Neither side has it, or it is no business of ours any more."""
        self._db.execute("DELETE FROM entry WHERE path = ?", (path,))
        self._settle([(path,)])

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
        rows = [row for row in map(_intent, operations) if row]
        with self.together():
            self._db.executemany("INSERT INTO intent VALUES (?,?,?,?,?)", rows)

    def intents(self) -> dict[bytes, tuple[Entry, ...]]:
        """What a session that did not end may have left on the host."""
        found: dict[bytes, tuple[Entry, ...]] = {}
        rows = self._db.execute("SELECT * FROM intent WHERE kind <> ? OR target = x''", (Kind.DIRECTORY,))
        for path, kind, size, mtime, target in rows:
            # Coarse: it is not written down which lane it was; plain SFTP keeps whole seconds only.
            entry = Entry(Kind(kind), size, mtime, target=target, coarse=True)
            found[path] = (*found.get(path, ()), entry)
        return found

    def moves(self) -> list[tuple[bytes, bytes]]:
        """Renames of folders, old and new, of which it is not known whether they happened."""
        found = "SELECT target, path FROM intent WHERE kind = ? AND target <> x'' ORDER BY rowid"
        return list(self._db.execute(found, (Kind.DIRECTORY,)))

    def undone(self, operation: Operation) -> None:
        """This operation surely changed nothing: its intent goes, others of its path stay."""
        what = _intent(operation)
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
        rows = [
            (path,) for (path,) in self._db.execute("SELECT DISTINCT path FROM intent") if path not in but
        ]
        with self.together():
            self._db.executemany("DELETE FROM intent WHERE path = ?", rows)

    @property
    def token(self) -> bytes:
        """The mark of the remote root that this index is about; b"" before the first run."""
        row = self._db.execute("SELECT value FROM meta WHERE key = 'token'").fetchone()
        return bytes(row[0]) if row else b""

    def start_over(self, token: bytes) -> None:
        """Another root: nothing is known, so nothing can be deleted or overwritten."""
        with self.together():
            for table in ("entry", "intent", "conflict"):
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

    def close(self) -> None:
        self._db.close()

    def _settle(self, paths: list[tuple[bytes]]) -> None:
        self._db.executemany("DELETE FROM intent WHERE path = ?", paths)
        if self._db.execute("SELECT 1 FROM conflict LIMIT 1").fetchone():
            self._db.executemany("DELETE FROM conflict WHERE path = ?", paths)

    def _open(self) -> sqlite3.Connection:
        """Open, or start anew where the file is damaged or of another format: adoption brings it back."""
        try:
            db = self._connect()
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == FORMAT:
                return db
            fresh = version == 0 and not db.execute("SELECT 1 FROM sqlite_master").fetchone()
            db.close()
        except sqlite3.DatabaseError:
            fresh = False
        if not fresh:
            self._set_aside()
        db = self._connect()
        db.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {FORMAT};COMMIT;")
        return db

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._file, isolation_level=None, timeout=10, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        return db

    def _set_aside(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            file = f"{self._file}{suffix}"
            if os.path.exists(file):
                os.replace(file, f"{self._file}.damaged{suffix}")


def _intent(one: Operation) -> tuple[bytes, int, int, int, bytes] | None:
    """The journal's row of an operation: what stands on the host when it was carried out."""
    if isinstance(one, Put):
        return one.path, Kind.FILE, one.size, one.mtime_ns, b""
    if isinstance(one, SetMeta):
        return one.path, Kind.FILE, one.expects[0].size, one.mtime_ns, b""
    if isinstance(one, PutLink):
        return one.path, Kind.LINK, 0, 0, one.target
    if isinstance(one, MakeDirectory):
        return one.path, Kind.DIRECTORY, 0, 0, b""
    if isinstance(one, Move):
        return one.target, Kind.DIRECTORY, 0, 0, one.path
    return None


def _row(path: bytes, record: Record) -> tuple[bytes | int, ...]:
    here, there = record.local, record.remote
    return (
        *(path, here.kind, here.size, here.mtime_ns, here.ctime_ns, here.inode, here.mode, here.target),
        *(there.kind, there.size, there.mtime_ns, there.ctime_ns, there.coarse, there.target),
        *(record.digest, record.racy),
    )


def _record(row: tuple[int, ...]) -> Record:
    _path, kind, size, mtime, ctime, inode, mode, target, *there = row
    there_kind, there_size, there_mtime, there_ctime, coarse, there_target, digest, racy = there
    return Record(
        Local(_KINDS[kind], size, mtime, ctime, inode, mode, target),  # type: ignore[arg-type]
        Entry(_KINDS[there_kind], there_size, there_mtime, mode, there_ctime, there_target, bool(coarse)),  # type: ignore[arg-type]
        digest,  # type: ignore[arg-type]
        bool(racy),
    )
