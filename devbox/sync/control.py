"""The control socket of the watching process, and the lock that there is only one.

One JSON line asks (`{"do": "flush"}`, `{"do": "status"}`), one JSON line answers.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from devbox.errors import DevboxError

_LONGEST = 100
"""Bytes of a socket's path that every system takes (sun_path has 104 to 108)."""

Answer = Callable[[str], dict[str, Any]]


@contextmanager
def only_one(state: Path) -> Iterator[None]:
    """Hold the lock of this mapping; a second devbox is refused with words. The kernel frees it with us."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(state / "lock", "a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise DevboxError(
                "another devbox syncs this project to this host",
                why=f"process {file.read().strip() or 'unknown'} holds the lock",
                next_steps=["devbox sync --status", "devbox sync --flush   (send what was saved)"],
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def address(state: Path) -> str:
    """Where the socket of that state folder is: beside the index, or in a private short place."""
    path = str(state / "control.sock")
    if len(os.fsencode(path)) <= _LONGEST:
        return path
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return os.path.join(tempfile.gettempdir(), f"devbox-{os.getuid()}", f"{name}.sock")


class Control:
    """Listens while the watching process runs; every question is answered on a thread of its own."""

    def __init__(self, state: Path, answer: Answer) -> None:
        self._answer = answer
        self._path = address(state)
        folder = os.path.dirname(self._path)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if os.stat(folder).st_uid != os.getuid():
            raise DevboxError("somebody else owns the folder of the control socket", where=folder)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)  # we hold the lock: whoever left it is gone
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(self._path)
        os.chmod(self._path, 0o600)
        self._socket.listen(8)
        threading.Thread(target=self._serve, name="sync-control", daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(peer,), name="sync-answer", daemon=True).start()

    def _talk(self, peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError, ValueError), peer.makefile("rwb") as line:
            question = json.loads(line.readline())
            line.write(json.dumps(self._answer(str(question.get("do")))).encode() + b"\n")


def ask(state: Path, what: str, timeout: float = 600.0) -> dict[str, Any] | None:
    """Ask the watching process; `None` when there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(timeout)
        try:
            peer.connect(address(state))
            with peer.makefile("rwb") as line:
                line.write(json.dumps({"do": what}).encode() + b"\n")
                line.flush()
                answer = json.loads(line.readline())
        except (OSError, ValueError):
            return None
    return dict(answer)
