"""What is kept here about one host: its authority, our certificate, and how it was prepared. 0700, 0600."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from devbox.config.model import Endpoint
from devbox.config.paths import host_dir, slug
from devbox.errors import HostError
from devbox.host.pki import Pair

FORMAT = 1
NEXT = "next"
"""Where a new authority waits until the host was proved to take it."""
_PAIRS = {"authority": ("ca.pem", "ca-key.pem"), "client": ("cert.pem", "key.pem")}


@dataclass(frozen=True, slots=True)
class Record:
    """How a host was prepared last."""

    host: str
    hostname: str
    endpoint: str
    port: int
    context: str
    engine: str = ""


class Store:
    """The folder of one host on this machine."""

    def __init__(self, host: str) -> None:
        self.host = host.rpartition("@")[2]
        self.folder = host_dir(host)

    @property
    def context(self) -> str:
        """The Docker context's name."""
        return "devbox-" + slug(self.host).replace("%", "-").replace("@", "-")

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Only one run at a time prepares this host from here; a second one is told so at once."""
        self._make()
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HostError(
                "another devbox is preparing this host right now",
                where=self.host,
                next_steps=["wait for it, then run the same command again"],
            ) from error
        else:
            yield
        finally:
            os.close(handle)

    def pair(self, which: str) -> Pair | None:
        """The `authority` or `client` pair, if it is there."""
        cert, key = (self.folder / name for name in _PAIRS[which])
        return Pair(cert.read_bytes(), key.read_bytes()) if cert.is_file() and key.is_file() else None

    def save_pair(self, which: str, pair: Pair, place: str = "") -> None:
        """Keep a pair; the key first, so that a certificate never stands there without one."""
        cert, key = _PAIRS[which]
        self.write(f"{place}/{key}" if place else key, pair.key)
        self.write(f"{place}/{cert}" if place else cert, pair.cert)

    def credentials(self) -> Path:
        """The folder of the certificates that are to be proved: those that wait, else those in use."""
        waiting = self.folder / NEXT
        return waiting if waiting.is_dir() else self.folder

    def promote(self, authority: bytes | None = None) -> None:
        """Take the waiting certificates into use; with `authority`, only where that is what waits.

        What waits for another one belongs to a change that was taken back, and is thrown away.
        """
        waiting = self.folder / NEXT
        if not waiting.is_dir():
            return
        ca = waiting / "ca.pem"
        if ca.is_file() and authority in (None, ca.read_bytes()):
            # The authority's certificate last: until it has moved, this can be taken up again.
            for name in ("key.pem", "cert.pem", "ca-key.pem", "ca.pem"):
                if (waiting / name).is_file():
                    (waiting / name).replace(self.folder / name)
        shutil.rmtree(waiting)

    def record(self) -> Record | None:
        """How the host was prepared, if it was."""
        try:
            data = json.loads((self.folder / "host.json").read_text(encoding="utf-8"))
            if data.pop("format") != FORMAT:
                return None
            Endpoint(data["endpoint"])
            return Record(**data)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def save_record(self, record: Record) -> None:
        """Keep how the host was prepared; unchanged is left alone."""
        if record != self.record():
            text = json.dumps({"format": FORMAT, **asdict(record)}, indent=2) + "\n"
            self.write("host.json", text.encode())

    def write(self, name: str, data: bytes) -> Path:
        """Put a file there, whole or not at all, readable by this user only."""
        self._make()
        path = self.folder / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        return path

    def forget(self) -> None:
        """Take everything away that was kept about this host."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make(self) -> None:
        for folder in (self.folder.parent.parent, self.folder.parent, self.folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
