"""An index seen from outside, also while a process works with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from devbox.ports.tree import Kind
from devbox.sync.rows import FORMAT


@dataclass(frozen=True, slots=True)
class Glance:
    """An index seen from outside; `damaged` says why it cannot be read, "" when it can."""

    files: int = 0
    intents: int = 0
    conflicts: Mapping[bytes, str] = field(default_factory=dict)
    damaged: str = ""


def glance(file: Path) -> Glance | None:
    """Look into an index without touching it, also while a process works with it; `None`: there is none."""
    if not file.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=10)) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version != FORMAT:
                return Glance(damaged=f"format {version}")
            (files,) = db.execute("SELECT count(*) FROM entry WHERE kind <> ?", (Kind.DIRECTORY,)).fetchone()
            (intents,) = db.execute("SELECT count(*) FROM intent").fetchone()
            return Glance(files, intents, dict(db.execute("SELECT path, why FROM conflict ORDER BY path")))
    except sqlite3.DatabaseError as error:
        return Glance(damaged=str(error))
