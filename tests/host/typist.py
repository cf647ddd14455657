"""Somebody at a terminal: runs the real CLI on a pseudo-terminal and types answers to what it asks."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_PATIENCE = 120.0


def type_at(
    words: Sequence[str], folder: Path, environment: dict[str, str], answers: Sequence[tuple[str, str]]
) -> tuple[int, str]:
    """Exit code and everything shown. Each answer is typed when its question stands there."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execve(sys.executable, [sys.executable, "-m", "devbox", *words], environment)
    shown, seen, left = "", 0, list(answers)
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # Linux: the other end is closed
                break
            shown += piece.decode(errors="replace")
        if left and left[0][0] in shown[seen:]:
            seen = len(shown)
            os.write(terminal, left.pop(0)[1].encode() + b"\n")
    else:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    assert not left, f"never asked {left[0][0]!r}:\n{shown}"
    return os.waitstatus_to_exitcode(status), shown
