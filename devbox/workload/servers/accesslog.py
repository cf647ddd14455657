"""Spans from nginx's access log: the first span of every trace, without a module in nginx.

nginx writes milliseconds, cut off, from a clock that it reads once per event. So a request began at most one
millisecond after the start that the log tells, and ended at most one after its end: the span is drawn to hold
the whole of it.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, BinaryIO

from devbox.tracer import SERVER
from devbox.workload import hops
from devbox.workload.servers import routes

_MILLISECOND = 1_000_000
_TRACE = re.compile(r"[0-9a-f]{32}")


class Tail:
    """What is appended to a log, through rotation (by rename) and cutting.

    The place is noted beside the log, so that whoever comes after a killed reader goes on where that one was.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._note = path.with_name(f"{path.name}.read")
        self._file: BinaryIO | None = None
        self._rest = b""
        self._left = False

    def lines(self) -> list[str]:
        """The whole lines that were written since the last look."""
        log = self._file or self._open()
        if log is None:
            return []
        if os.fstat(log.fileno()).st_size < log.tell():
            log.seek(0)  # it was cut
            self._rest = b""
        *whole, self._rest = (self._rest + log.read()).split(b"\n")
        if not whole and self._was_rotated(log):
            self.close()
        return [line.decode(errors="replace") for line in whole]

    def note(self) -> None:
        """What was read so far has had its effect."""
        if self._file is not None:
            place = [os.fstat(self._file.fileno()).st_ino, self._file.tell() - len(self._rest)]
            new = self._note.with_suffix(".new")
            new.write_text(json.dumps(place))
            new.replace(self._note)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> BinaryIO | None:
        try:
            self._file = self._path.open("rb")
        except OSError:
            return None
        self._rest, self._left = b"", False
        if (noted := self._noted()) and noted[0] == os.fstat(self._file.fileno()).st_ino:
            self._file.seek(noted[1])
        return self._file

    def _noted(self) -> tuple[int, int] | None:
        try:
            inode, at = json.loads(self._note.read_text())
            return int(inode), int(at)
        except (OSError, ValueError, TypeError):
            return None

    def _was_rotated(self, log: BinaryIO) -> bool:
        """Whether another file has the name. Said at the second look: for a moment some still write here."""
        try:
            left = os.stat(self._path).st_ino != os.fstat(log.fileno()).st_ino
        except OSError:
            left = False
        left_before, self._left = self._left, left
        return left and left_before


def record(line: str) -> bool:
    """Make a span of one line of the log; False when the line is none of ours."""
    try:
        entry: dict[str, Any] = json.loads(line)
        end = round(float(entry["end"]) * 1000) * _MILLISECOND
        start = end - round(float(entry["seconds"]) * 1000) * _MILLISECOND
        if not _TRACE.fullmatch(entry["trace"]):
            return False
        status = int(entry["status"])
        name = routes.name_of(entry["method"], entry["uri"].partition("?")[0])
        bar = hops.Bar(name, entry["trace"], entry["span"], entry["parent"], start)
    except (ValueError, KeyError, TypeError):
        return False
    details = {"http.response.status_code": status, "url.path": entry["uri"], "upstream": entry["upstream"]}
    hops.draw(bar, end + _MILLISECOND, SERVER, details, failed=status >= 500)
    return True
