"""Switching the recorder on: where its settings come from."""

from __future__ import annotations

import os
import sys

from .propagation import from_environment
from .recorder import RECORDER
from .spool import DEFAULT_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def configure(
    service: str | None = None,
    spool: str | None = None,
    *,
    hooks: bool = True,
    limit: int | None = None,
    resource: dict[str, Any] | None = None,
) -> bool:
    """Switch the recorder on; every span ended from now on is kept. Returns whether it is on.

    `service` falls back on DEVBOX_TRACE_SERVICE, then OTEL_SERVICE_NAME, then the program's name; `spool` (a
    folder, created when the first span ends) on DEVBOX_TRACE_SPOOL. Without a folder the recorder stays off:
    all calls work and cost next to nothing. `limit` is the bound of this process's spool in bytes
    (DEVBOX_TRACE_SPOOL_BYTES, else 64 MiB = a million plain spans). `hooks` carries traces over threads and
    executors and records calls made with the client libraries that devbox knows.
    """
    env = os.environ
    folder = spool or env.get("DEVBOX_TRACE_SPOOL")
    if not folder or not _has_lock():
        return False
    name = service or env.get("DEVBOX_TRACE_SERVICE") or env.get("OTEL_SERVICE_NAME") or _program()
    bound = limit or int(env.get("DEVBOX_TRACE_SPOOL_BYTES") or DEFAULT_LIMIT)
    RECORDER.start(name, os.path.abspath(folder), bound, resource or {})
    RECORDER.cpu = env.get("DEVBOX_TRACE_CPU", "") not in ("", "0")
    RECORDER.root = from_environment(env)
    if hooks:
        from .hooks import install  # what this needs is needed by who has hooks only

        install()
    return True


def _has_lock() -> bool:
    """The spool's slots are handed out under the GIL; without one, spans would overwrite each other."""
    found: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
    if not found:
        sys.stderr.write("devbox trace: not switched on: this Python runs without its global lock\n")
    return found


def _program() -> str:
    argv = getattr(sys, "argv", None) or [""]
    return os.path.splitext(os.path.basename(argv[0]))[0] or "python"
