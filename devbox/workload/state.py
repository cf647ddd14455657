"""The shop's folder, and the version of what lies in it."""

from __future__ import annotations

import fcntl
from pathlib import Path

FORMAT = "2"
"""Version of the databases, the queue and the switches. Format 1 noted none; its orders had no time."""

_OURS = ("*.db", "*.db-wal", "*.db-shm", "switches.json")


def prepare(state: Path) -> Path | None:
    """Make the folder ready for this version. What another version left is put aside: it returns where to.

    Whoever of the shop starts first does it; the others wait, and find it done.
    """
    state.mkdir(parents=True, exist_ok=True)
    with (state / "format.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        noted = state / "format"
        found = noted.read_text().strip() if noted.exists() else "1"
        if found == FORMAT:
            return None
        aside = _put_aside(state, found)
        noted.write_text(f"{FORMAT}\n")
        return aside


def _put_aside(state: Path, version: str) -> Path | None:
    left = [file for pattern in _OURS for file in state.glob(pattern)]
    if not left:
        return None
    aside = state / f"format-{version}"
    aside.mkdir(exist_ok=True)
    for file in left:
        file.replace(aside / file.name)
    return aside
