"""A remote command at the local terminal: raw keys in, bytes out, the window's size followed."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

from devbox.ports.daemon import Attached


def is_terminal() -> bool:
    """Whether both ends here are terminals, so that the remote side should have one too."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def connect(attached: Attached, tty: bool) -> int:
    """Carry input and output until the command ends; its exit code."""
    with (
        _raw() if tty else contextlib.nullcontext(),
        _resizing(attached) if tty else contextlib.nullcontext(),
    ):
        threading.Thread(target=_feed, args=(attached,), name="devbox-stdin", daemon=True).start()
        for piece in attached.output():
            stream = sys.stderr.buffer if piece.error else sys.stdout.buffer
            stream.write(piece.data)
            stream.flush()
        return attached.exit_code()


def _feed(attached: Attached) -> None:
    """Input is carried until its end; a command that no longer listens ends it too."""
    with contextlib.suppress(OSError, ValueError):
        while data := os.read(sys.stdin.fileno(), 65536):
            attached.write(data)
        attached.end_input()


@contextlib.contextmanager
def _raw() -> Iterator[None]:
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin, termios.TCSADRAIN)  # what was typed ahead is kept
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _resizing(attached: Attached) -> Iterator[None]:
    def follow(*_: object) -> None:
        size = os.get_terminal_size(sys.stdout.fileno())  # COLUMNS, if exported, is of the window's beginning
        attached.resize(size.lines, size.columns)

    follow()
    before = signal.signal(signal.SIGWINCH, follow)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
