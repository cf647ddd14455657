"""The process above the shop's processes: starts them, starts again what dies, ends them all together.

Each child leads a process group of its own, so that ending it ends what it started (nginx and its workers).
Each has a pipe from the supervisor as standard input and ends when the pipe does: a supervisor that is killed
takes its children along. The supervisor holds a lock as long as it lives; that is how others know it does.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from devbox.workload.contract import SERVICES
from devbox.workload.places import claim
from devbox.workload.settings import Settings

_SHORTEST_LIFE = 1.0
"""Seconds after which a child counts as having worked: before, it is started again ever more slowly."""

_SLOWEST = 2.0
_GRACE = 3.0

_LOG_LIMIT = 4 << 20
"""Bytes of a process's log, of which one older part is kept."""


@dataclass(slots=True)
class _Child:
    name: str
    process: subprocess.Popen[bytes]
    started: float
    failures: int = 0
    again: float = field(default=float("inf"))


def supervise(settings: Settings) -> None:
    """Run the shop until SIGTERM, in the background: nobody's child, so that nobody has to wait for it."""
    lock = hold(settings.state)
    if lock is None:
        sys.exit(f"another shop runs in {settings.state}")
    claims = claim(settings)
    if os.fork():
        os._exit(0)
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.append(1))
    children = [_start(name, settings) for name in _names(settings)]
    _note(settings.state, children)
    while not stopping:
        time.sleep(0.05)
        _trim(settings.state / "logs")
        changed = [child for child in children if _look_after(child, settings)]
        if changed:
            _note(settings.state, children)
    _end(children)
    for one in claims:
        one.close()
    lock.close()


def hold(state: Path) -> TextIO | None:
    """The supervisor's lock; `None` when somebody else has it. It goes when the file is closed."""
    state.mkdir(parents=True, exist_ok=True)
    lock = (state / "supervisor.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def _start(name: str, settings: Settings) -> _Child:
    logs = settings.state / "logs"
    logs.mkdir(exist_ok=True)
    with (logs / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            _command(name, settings),
            stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
            env=os.environ | settings.environment(),
        )  # fmt: skip
    return _Child(name, process, time.monotonic())


def _names(settings: Settings) -> list[str]:
    return [*SERVICES, "gateway", *(["traces"] if settings.traces else [])]


def _command(name: str, settings: Settings) -> list[str]:
    if name == "traces":
        port = str(urlsplit(settings.traces).port)
        page = ["trace", "ui", "--spool", str(settings.state / "spool"), "--port", port]
        return [sys.executable, "-m", "devbox", *page]
    return [sys.executable, "-m", "devbox.workload", name, *(["--reload"] if name in SERVICES else [])]


def _look_after(child: _Child, settings: Settings) -> bool:
    """Start a child again when it has died; True when its process changed."""
    if child.process.poll() is None:
        return False
    now = time.monotonic()
    if child.again == float("inf"):
        _signal(child, signal.SIGKILL)  # what it started and left
        child.failures = 0 if now - child.started > _SHORTEST_LIFE else child.failures + 1
        child.again = now + min(_SLOWEST, 0.1 * 2**child.failures)
    if now < child.again:
        return False
    fresh = _start(child.name, settings)
    child.process, child.started, child.again = fresh.process, fresh.started, float("inf")
    return True


def _signal(child: _Child, number: int) -> None:
    with suppress(ProcessLookupError):  # the whole group may be gone already
        os.killpg(child.process.pid, number)


def _trim(logs: Path) -> None:
    """Keep logs short: whoever writes one appends, so it can be copied away and cut."""
    for log in logs.glob("*.log"):
        if log.stat().st_size > _LOG_LIMIT:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)


def _note(state: Path, children: list[_Child]) -> None:
    """Write down who runs, for `down`, for tests that kill, and for those who look."""
    new = state / "processes.new"
    new.write_text(
        json.dumps({"supervisor": os.getpid(), "children": {c.name: c.process.pid for c in children}})
    )
    new.replace(state / "processes.json")


def _end(children: list[_Child]) -> None:
    # The gateway first: then nobody comes in any more while the others finish what they have.
    for child in reversed(children):
        _signal(child, signal.SIGTERM)
    end = time.monotonic() + _GRACE
    for child in children:
        with suppress(subprocess.TimeoutExpired):  # it had its time
            child.process.wait(max(0.0, end - time.monotonic()))
        _signal(child, signal.SIGKILL)
        child.process.wait()
