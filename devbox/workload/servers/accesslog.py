"""Spans from nginx's access log: the first span of every trace, without a module in nginx.

nginx writes milliseconds, cut off, from a clock that it reads once per event. So a request began at most one
millisecond after the start that the log tells, and ended at most one after its end: the span is drawn to hold
the whole of it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from devbox.tracer import SERVER
from devbox.workload import hops
from devbox.workload.servers import routes

_MILLISECOND = 1_000_000
_TRACE = re.compile(r"[0-9a-f]{32}")


class Tail:
    """What is appended to a log; starts over when the file was cut."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = path.stat().st_size if path.exists() else 0
        self._rest = b""

    def lines(self) -> list[str]:
        """The whole lines that were written since the last look."""
        try:
            size = self._path.stat().st_size
        except OSError:
            return []
        if size < self._at:
            self._at, self._rest = 0, b""
        if size == self._at:
            return []
        with self._path.open("rb") as log:
            log.seek(self._at)
            data = log.read(size - self._at)
        self._at += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [line.decode(errors="replace") for line in whole]


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
