"""Where in the code a function stands: what its spans have in common."""

from __future__ import annotations

from .layout import KIND_SHIFT, TYPE_SPAN
from .recorder import RECORDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType
    from typing import Any


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
