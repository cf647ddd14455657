"""The store's tables. A change of them raises VERSION; a store of another version is set aside, not
guessed at.
"""

VERSION = 1

SCHEMA = """
CREATE TABLE process (
    identity TEXT PRIMARY KEY, service TEXT NOT NULL, resource TEXT NOT NULL, progress TEXT NOT NULL,
    stored INTEGER, overrun INTEGER, unwritable INTEGER, reentered INTEGER, torn INTEGER
) WITHOUT ROWID;
CREATE TABLE operation (
    id INTEGER PRIMARY KEY, service TEXT, name TEXT, kind TEXT, function TEXT, file TEXT, line INTEGER,
    UNIQUE (service, name, kind, function, file, line)
);
CREATE TABLE trace (
    id BLOB PRIMARY KEY, start INTEGER, finish INTEGER, spans INTEGER, errors INTEGER, root INTEGER
) WITHOUT ROWID;
CREATE INDEX trace_start ON trace (start);
CREATE TABLE span (
    trace BLOB, id BLOB, parent BLOB, operation INTEGER, start INTEGER, finish INTEGER, status INTEGER,
    process TEXT, added TEXT, PRIMARY KEY (trace, id)
) WITHOUT ROWID;
"""
