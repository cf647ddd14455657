"""Files that git tracks although its rules ignore them (`git add -f`): to git they are not ignored."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Collection

_PATIENCE = 10.0


class Tracked:
    """Those files below a root. git is started at once, and waited for when the first path is asked about."""

    def __init__(self, root: bytes, asked: bool) -> None:
        """`asked`: whether the root lies in a repository."""
        self._process = _started(root) if asked else None
        self._paths: frozenset[bytes] = frozenset()
        self._lock = threading.Lock()  # the watcher and a flush may ask at once

    def __contains__(self, path: object) -> bool:
        return path in self.paths

    @property
    def paths(self) -> Collection[bytes]:
        """The files, and the folders above them, which have to be walked through."""
        with self._lock:
            if self._process:
                process, self._process = self._process, None
                self._paths = frozenset(_collected(process))
            return self._paths


def _started(root: bytes) -> subprocess.Popen[bytes] | None:
    command = [b"git", b"-C", root, b"ls-files", b"--cached", b"--ignored", b"--exclude-standard", b"-z"]
    try:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:  # without git, nothing is tracked
        return None


def _collected(process: subprocess.Popen[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    with process:
        try:
            listing, _ = process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError):
                process.kill()
            return found
    for path in filter(None, listing.split(b"\0")):
        parts = path.split(b"/")
        found.update(b"/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    return found
