"""The store's tables. A change of them raises VERSION; a store of another version is set aside, not
guessed at.

`share` is what a settled trace contributes to the sums (`bucket`, `trend`, `edge`, `traffic`): when it is
settled anew or evicted, exactly that is taken back. `posting` says in which traces an operation (token: its
id) or an attribute (token: see `share.token`) occurs.
"""

VERSION = 2

SCHEMA = """
CREATE TABLE process (
    number INTEGER PRIMARY KEY, identity TEXT UNIQUE, service TEXT NOT NULL, resource TEXT NOT NULL,
    progress TEXT NOT NULL, stored INTEGER, overrun INTEGER, unwritable INTEGER, reentered INTEGER,
    torn INTEGER
);
CREATE TABLE operation (
    id INTEGER PRIMARY KEY, service TEXT, name TEXT, kind TEXT, function TEXT, file TEXT, line INTEGER,
    UNIQUE (service, name, kind, function, file, line)
);
CREATE TABLE trace (
    number INTEGER PRIMARY KEY, id BLOB UNIQUE, start INTEGER, finish INTEGER, spans INTEGER, errors INTEGER,
    root INTEGER, dirty INTEGER, services TEXT, share TEXT
);
CREATE INDEX trace_start ON trace (start);
CREATE INDEX trace_took ON trace (finish - start);
CREATE INDEX trace_dirty ON trace (dirty) WHERE dirty;
CREATE TABLE span (
    trace INTEGER, id BLOB, parent BLOB, operation INTEGER, start INTEGER, took INTEGER, status INTEGER,
    process INTEGER, added TEXT, PRIMARY KEY (trace, id)
) WITHOUT ROWID;
CREATE TABLE posting (token INTEGER, trace INTEGER, PRIMARY KEY (token, trace)) WITHOUT ROWID;
CREATE TABLE bucket (
    operation INTEGER, bucket INTEGER, calls INTEGER, errors INTEGER, self INTEGER, example INTEGER,
    PRIMARY KEY (operation, bucket)
) WITHOUT ROWID;
CREATE TABLE trend (
    window INTEGER, operation INTEGER, calls INTEGER, self INTEGER, PRIMARY KEY (window, operation)
) WITHOUT ROWID;
CREATE TABLE edge (
    caller TEXT, callee TEXT, road TEXT, bucket INTEGER, calls INTEGER, errors INTEGER,
    PRIMARY KEY (caller, callee, road, bucket)
) WITHOUT ROWID;
CREATE TABLE traffic (
    window INTEGER, caller TEXT, callee TEXT, road TEXT, calls INTEGER,
    PRIMARY KEY (window, caller, callee, road)
) WITHOUT ROWID;
"""
