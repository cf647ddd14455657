"""Who prepares hosts from here: a name for people, and a word that no other machine has."""

from __future__ import annotations

import getpass
import os
import re
import secrets
import socket
from pathlib import Path

from devbox.config.paths import state_dir
from devbox.errors import HostError


def owner() -> str:
    """This person at this machine, as others read it."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def client() -> str:
    """This machine's own word, random, made once and kept: two laptops of one name must not take each
    other's unproved change for their own. Where it is lost, a change begun with it ends by its timer."""
    path = state_dir() / "client"
    try:
        return _kept(path) or _made(path)
    except OSError as error:
        why = error.strerror or ""
        raise HostError("a file of devbox's own cannot be used", where=str(path), why=why) from error


def _kept(path: Path) -> str:
    """What stands there; "" where that is nothing of ours."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return ""
    return text if re.fullmatch(r"[0-9a-f]{16}", text) else ""


def _made(path: Path) -> str:
    """A new one, whole or not at all; of two runs that begin at once both take the first one's."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"client.{secrets.token_hex(4)}")
    fresh.write_text(f"{secrets.token_hex(8)}\n", encoding="utf-8")
    try:
        os.link(fresh, path)
    except FileExistsError:
        if not _kept(path):
            fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return _kept(path)
