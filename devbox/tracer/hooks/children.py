"""Child processes: started inside a trace, they find it in their environment (TRACEPARENT, ...)."""

from __future__ import annotations

from ..propagation import child_environment
from ..recorder import CURRENT, RECORDER
from . import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def adapt_subprocess(module: ModuleType) -> None:
    """`Popen`, and with it `run`, `check_output` and asyncio's subprocesses."""
    replace(module.Popen, "__init__", _start)


def _start(original: Any) -> Any:
    def wrapper(self: Any, *args: Any, **more: Any) -> None:
        env = more.get("env")
        inside = RECORDER.spool is not None and CURRENT.get() is not None
        # One that the application hands over itself stays; `env` is the eleventh when it is positional.
        if inside and len(args) < 11 and "TRACEPARENT" not in (env or ()):
            more["env"] = child_environment(env)
        original(self, *args, **more)

    return wrapper
