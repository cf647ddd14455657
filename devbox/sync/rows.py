"""The index's tables, and its values as their rows."""

from __future__ import annotations

from devbox.ports.tree import Entry, Kind, MakeDirectory, Move, Operation, Put, PutLink, SetMeta
from devbox.sync.model import Local, Record

FORMAT = 1

SCHEMA = """
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
LATER = """
CREATE TABLE IF NOT EXISTS mark (
    path BLOB PRIMARY KEY, here BLOB NOT NULL, there BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entry_folder ON entry (path) WHERE kind = 2;
"""
"""Younger than the format: whoever opens an index adds it."""
IS_FOLDER = f"kind = {int(Kind.DIRECTORY)}"
"""As a literal: only so the index of the folders is used."""
KINDS = {int(kind): kind for kind in Kind}
KEEP = "INSERT OR REPLACE INTO entry VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"


def intent(one: Operation) -> tuple[bytes, int, int, int, bytes] | None:
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


def row(path: bytes, record: Record) -> tuple[bytes | int, ...]:
    """A record as a row of `entry`."""
    there = record.remote
    seen = there.kind, there.size, there.mtime_ns, there.ctime_ns, there.coarse, there.target
    return (path, *record.local, *seen, record.digest, record.racy)


def record(fields: tuple[int, ...]) -> Record:
    """A row of `entry` as a record."""
    _path, kind, size, mtime, ctime, inode, mode, target, *there = fields
    there_kind, there_size, there_mtime, there_ctime, coarse, there_target, digest, racy = there
    return Record(
        Local(KINDS[kind], size, mtime, ctime, inode, mode, target),  # type: ignore[arg-type]
        Entry(KINDS[there_kind], there_size, there_mtime, mode, there_ctime, there_target, bool(coarse)),  # type: ignore[arg-type]
        digest,  # type: ignore[arg-type]
        bool(racy),
    )
