"""Who may log in to a rehearsal host, and as what."""

from __future__ import annotations

import io
import tarfile
import time
from pathlib import Path

from tests.rehearsal.places import cache, call, lock

_SUDO = {"nopasswd": "dev ALL=(ALL) NOPASSWD:ALL\n", "password": "dev ALL=(ALL) ALL\n", "none": ""}
PASSWORD = "rehearsal"


def key_file() -> Path:
    """The private key that `dev` and `root` of every host accept."""
    path = cache() / "id_ed25519"
    with lock("key"):
        if not path.exists():
            call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "devbox rehearsal", "-f", str(path)])
    return path


def belongings(sudo: str) -> bytes:
    """A tar of who may log in and what sudo lets `dev` do, to be put in before the first start."""
    public = key_file().with_suffix(".pub").read_bytes()
    shadow = f"dev:{PASSWORD}"
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            _add(tar, "root/.ssh", None, 0o700, 0)
            _add(tar, "root/.ssh/authorized_keys", public, 0o600, 0)
            _add(tar, "home/dev/.ssh", None, 0o700, 1000)
            _add(tar, "home/dev/.ssh/authorized_keys", public, 0o600, 1000)
            _add(tar, "etc/sudoers.d/dev", _SUDO[sudo].encode(), 0o440, 0)
            _add(tar, "etc/rehearsal-password", shadow.encode(), 0o600, 0)
        return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes | None, mode: int, owner: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.uid, entry.gid, entry.mtime = mode, owner, owner, int(time.time())
    if content is None:
        entry.type = tarfile.DIRTYPE
    else:
        entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content or b""))
