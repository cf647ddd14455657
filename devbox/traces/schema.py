"""The store's tables. A change of them raises VERSION, and `migrate` learns to bring older stores along; a
store of a version that it does not know is begun anew.

`share` is what a settled trace contributes to the sums (`function`, `edge`): when it is settled anew or
evicted, exactly that is taken back. A sum is one row: its histogram and its trend are packed (`tally`;
columns in `change`). `posting` says in which traces an operation (token: its id) or an attribute (token: see
`share.token`) occurs.
"""

VERSION = 3

FUNCTION_AND_EDGE = """
CREATE TABLE function (operation INTEGER PRIMARY KEY, histogram BLOB NOT NULL, trend BLOB NOT NULL);
CREATE TABLE edge (
    caller TEXT, callee TEXT, road TEXT, histogram BLOB NOT NULL, traffic BLOB NOT NULL,
    PRIMARY KEY (caller, callee, road)
);
"""

SCHEMA = f"""
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
{FUNCTION_AND_EDGE}"""
