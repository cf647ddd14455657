"""The names that a user's ssh config gives to hosts: what completion offers."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from devbox.adapters.ssh.resolve import CONFIG_VARIABLE

_DEPTH = 16
"""Files may include each other this deep, as in OpenSSH (readconf.c, READCONF_MAX_DEPTH)."""


def aliases() -> list[str]:
    """Every name after `Host` that is no pattern, in the order of the file; unreadable files have none."""
    named = os.environ.get(CONFIG_VARIABLE)
    start = Path(named) if named else Path.home() / ".ssh" / "config"
    return list(dict.fromkeys(_in_file(start, 0)))


def _in_file(path: Path, depth: int) -> Iterator[str]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        keyword, _, rest = line.strip().replace("=", " ", 1).partition(" ")
        words = [word.strip('"') for word in rest.split()]
        if keyword.lower() == "host":
            yield from (word for word in words if not set(word) & set("*?!"))
        elif keyword.lower() == "include" and depth < _DEPTH:
            for word in words:
                # Relative names are looked for in ~/.ssh (ssh_config(5), Include).
                pattern = os.path.join(Path.home() / ".ssh", os.path.expanduser(word))
                for found in sorted(glob.glob(pattern)):
                    yield from _in_file(Path(found), depth + 1)
