"""Single keys of the terminal, while something else goes on."""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def keys(pressed: Callable[[str], None]) -> Iterator[None]:
    """Hand every key to `pressed`, on its own thread; ^C stays ^C. The terminal is as before at the end."""
    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    ended, wake = os.pipe()

    def read() -> None:
        while ended not in select.select([handle, ended], [], [])[0]:
            data = os.read(handle, 64)
            if not data:
                return
            for key in data.decode(errors="ignore"):
                pressed(key)

    reader = threading.Thread(target=read, name="devbox-keys", daemon=True)
    try:
        tty.setcbreak(handle, termios.TCSADRAIN)
        reader.start()
        yield
    finally:
        os.write(wake, b"x")
        reader.join(1)
        termios.tcsetattr(handle, termios.TCSADRAIN, before)
        os.close(wake)
        os.close(ended)
