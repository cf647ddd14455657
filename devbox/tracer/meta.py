"""The file that says who writes a spool and from where its spans come (see `layout`)."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Meta:
    """Written by appending, whole lines; locked for as long as its writer lives."""

    __slots__ = ("_file", "_path", "_unsaid")

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = -1
        self._unsaid = b""

    @property
    def there(self) -> bool:
        """Whether it has been opened."""
        return self._file >= 0

    def open(self, lines: Iterable[str]) -> None:
        """Create it with these lines. Raises `OSError`, leaving nothing, when that is impossible."""
        import fcntl

        fresh = self._path + ".new"  # nobody sees it before its lock says that the writer lives
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            os.fchmod(file, 0o644)  # who collects is another user, whatever umask the application has
            fcntl.flock(file, fcntl.LOCK_SH)
            data = "".join(lines).encode()
            while data:
                data = data[os.write(file, data) :]
            os.rename(fresh, self._path)
        except OSError:
            os.close(file)
            os.unlink(fresh)
            raise
        self._file = file

    def add(self, line: str = "") -> None:
        """Append a line. What a full disk refuses is kept for the next time: spans refer to their site by
        its place in the file.
        """
        self._unsaid += line.encode()
        try:
            while self._unsaid:
                self._unsaid = self._unsaid[os.write(self._file, self._unsaid) :]
        except OSError as error:
            sys.stderr.write(f"devbox trace: cannot describe spans in {self._path}: {error}\n")

    def close(self) -> None:
        """Let go of the lock. In a forked child that is the parent's, which says that the parent lives."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
