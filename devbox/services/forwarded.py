"""What a forwarding process tells the others: a small file, believed only while its owner lives."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from devbox.errors import DevboxError

_FORMAT = 1


class StateFile:
    """`forward.json` of one project on one host, and the lock that its living owner holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "forward.json"
        self.written = False
        self._lock: IO[str] | None = None

    def claim(self) -> None:
        """Become the owner; a `DevboxError` when another living process is."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle = (self.folder / "forward.lock").open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.close()
            raise DevboxError(
                "the ports are already forwarded by another devbox", next_steps=["devbox ps", "devbox down"]
            ) from error
        self._lock = handle

    def write(self, addresses: Mapping[str, Sequence[str]], *, connected: bool) -> None:
        """Replace what is said, atomically."""
        data = {"format": _FORMAT, "pid": os.getpid(), "connected": connected, "addresses": addresses}
        unfinished = self.path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(json.dumps(data))
        unfinished.replace(self.path)
        self.written = connected

    def release(self) -> None:
        """Stop being the owner."""
        with contextlib.suppress(OSError):
            self.path.unlink()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def owner(self) -> int | None:
        """The process id of the living owner."""
        data = self._read()
        return int(data["pid"]) if data and self._held() else None

    def addresses(self) -> dict[str, list[str]]:
        """Where the services answer here, as the living owner says; empty without one."""
        data = self._read()
        return dict(data["addresses"]) if data and self._held() else {}

    def wait(self, pid: int, services: frozenset[str], seconds: float) -> dict[str, list[str]]:
        """The addresses of these services, once that owner says them; what there is when time runs out."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            data = self._read()
            if data and data["pid"] == pid and services <= set(data["addresses"]):
                break
            time.sleep(0.05)
        return self.addresses()

    def end_owner(self, seconds: float = 10.0) -> bool:
        """End the owner and wait until it is gone; `False` when there was none."""
        pid = self.owner()
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while self._held() and time.monotonic() < deadline:
            time.sleep(0.05)
        if self._held():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return True

    def _held(self) -> bool:
        try:
            with (self.folder / "forward.lock").open("r+") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def _read(self) -> dict[str, Any] | None:
        try:
            data = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return None
        return data if isinstance(data, dict) and data.get("format") == _FORMAT else None
