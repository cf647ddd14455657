"""Opt-in (DEVBOX_TRACE_CPU=1): how long a span's own thread was on the processor, as the attribute `cpu.time`
in ns; the rest of its duration was waiting.

It costs two system calls and an attribute, more than the span itself. Only what runs in one go has it: plain
functions and `with` blocks of the application, since a thread does other work while a coroutine waits.
"""

from __future__ import annotations

import time

from .failures import added_to
from .layout import ATTRIBUTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .recorder import Cell

CPU_TIME = "cpu.time"
_ASYNCHRONOUS = 0x80 | 0x100 | 0x200
"""Code flags of coroutines and asynchronous generators (CPython's Include/cpython/code.h)."""
_HERE = __name__.rpartition(".")[0]

_now = time.thread_time_ns


def begin(cell: Cell) -> None:
    """What the thread had used so far, as a negative number until the span ends."""
    added_to(cell).setdefault(ATTRIBUTES, {})[CPU_TIME] = -_now()


def begin_block(cell: Cell, frame: Any) -> None:
    """The same for a `with` block in that frame, when it runs in one go and is the application's."""
    ours = frame.f_globals.get("__name__", "").startswith(_HERE)
    if not ours and not frame.f_code.co_flags & _ASYNCHRONOUS:
        begin(cell)


def end(added: dict[str, Any], took: int) -> None:
    """Turn what `begin` left into the time used since, of the `took` ns that the span lasted."""
    attributes = added.get(ATTRIBUTES) or {}
    begun = attributes.get(CPU_TIME)
    if type(begun) is int and begun < 0:
        attributes[CPU_TIME] = min(_now() + begun, took)
