"""What an exception leaves on a span."""

from __future__ import annotations

import time

from .encode import LONGEST
from .layout import ERROR, UNSET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .recorder import Cell

LONGEST_STACK = 8192
_SEEN = "__devbox_traced__"


def added_to(cell: Cell) -> dict[str, Any]:
    """What was added to a span so far; to be added to."""
    if cell[2] is None:
        cell[2] = {}
    found: dict[str, Any] = cell[2]
    return found


def failed(cell: Cell, error: BaseException) -> None:
    """Put an exception on a span. The stack is kept once, where the exception was first seen."""
    kind = type(error)
    if kind is GeneratorExit:  # whoever consumed the generator had enough of it
        return
    added = added_to(cell)
    named = f"{kind.__module__}.{kind.__qualname__}" if kind.__module__ != "builtins" else kind.__qualname__
    if not isinstance(error, Exception):
        # SystemExit, KeyboardInterrupt, CancelledError: an end, not a failure of this function.
        added.setdefault("a", {})["exception.type"] = named
        return
    if added.get("s", UNSET) == UNSET:
        added["s"], added["m"] = ERROR, f"{kind.__qualname__}: {_text(error)}"
    if getattr(error, _SEEN, False):
        added.setdefault("a", {})["exception.type"] = named
        return
    details = {
        "exception.type": named,
        "exception.message": _text(error),
        "exception.stacktrace": _stack(error)[-LONGEST_STACK:],
    }
    added.setdefault("e", []).append(["exception", time.perf_counter_ns(), details])
    try:
        setattr(error, _SEEN, True)
    except AttributeError:  # an exception with slots: its stack will be kept again further up
        return


def _stack(error: BaseException) -> str:
    """As Python prints it, without the source lines: reading them, or importing `traceback`, takes
    milliseconds.
    """
    parts: list[str] = []
    shown: BaseException | None = error
    while shown is not None and len(parts) < 4:
        lines = ["Traceback (most recent call last):"]
        step = shown.__traceback__
        while step is not None:
            code = step.tb_frame.f_code
            lines.append(f'  File "{code.co_filename}", line {step.tb_lineno}, in {code.co_name}')
            step = step.tb_next
        lines.append(f"{type(shown).__qualname__}: {_text(shown)}")
        parts.append("\n".join(lines))
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
    return "\n\nwhile or because of it:\n\n".join(reversed(parts))


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a broken __str__ of the application's
        return "(its message cannot be shown)"
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
