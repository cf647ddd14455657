"""Where in the code a function stands: what its spans have in common."""

from __future__ import annotations

import os
import sys

from .layout import KIND_SHIFT, TYPE_SPAN
from .recorder import RECORDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FunctionType
    from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
INSTALLED = frozenset(("site-packages", "dist-packages", "node_modules", "devbox_tracer"))
MOST_FRAMES = 64
MOST_FILES = 20_000


def _innermost(function: Any) -> Any:
    """What decorators wrapped: its lines are those that a reader looks for."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


class Site:
    """A function's site, described to the spool at its first call; anew when the recorder is switched on
    again.
    """

    __slots__ = ("head", "kind", "name", "place", "spool")

    def __init__(self, function: FunctionType, name: str | None, kind: int) -> None:
        code = _innermost(function).__code__
        full = f"{function.__module__}.{function.__qualname__}".replace(".<locals>", "")
        self.name = name or full
        self.kind = kind
        self.place = full, code.co_filename, code.co_firstlineno
        self.head = TYPE_SPAN | kind << KIND_SHIFT
        self.spool: object = None

    def settle(self, spool: object) -> None:
        self.head = RECORDER.site(self.name, self.kind, *self.place)
        self.spool = spool


_NOWHERE = compile("0", "", "eval")


class At:
    """A function, or an object that is called, as a place where spans begin: in the shape of a frame."""

    __slots__ = ("f_code", "f_globals", "f_lasti", "f_lineno")

    def __init__(self, function: Any) -> None:
        inner = _innermost(function)
        if not hasattr(inner, "__code__"):
            inner = _innermost(type(inner).__call__)
        code: CodeType = getattr(inner, "__code__", _NOWHERE)
        self.f_code = code
        self.f_globals = {"__name__": getattr(inner, "__module__", "") or ""}
        self.f_lasti = -1
        self.f_lineno = code.co_firstlineno


def caller() -> Any:
    """The frame of the application that is calling a library which we have adapted; where none of its code
    is below, the nearest one that is not ours.
    """
    frame: Any = sys._getframe(2)
    nearest = None
    for _ in range(MOST_FRAMES):
        if frame is None:
            break
        file = frame.f_code.co_filename
        owner = RECORDER.owners.get(file)
        if owner is None:
            owner = _owner(file)
            if len(RECORDER.owners) < MOST_FILES:  # some make up a file's name for each piece of code
                RECORDER.owners[file] = owner
        if owner == "application":
            return frame
        if owner == "library" and nearest is None:
            nearest = frame
        frame = frame.f_back
    return nearest or sys._getframe(1)


def _owner(file: str) -> str:
    if file.startswith(_HERE):
        return "recorder"
    if file.startswith(("<frozen", _LIBRARY)) or INSTALLED.intersection(file.split(os.sep)):
        return "library"
    return "application"
