"""Recording switched on from outside: nothing in the application's code or image knows of it.

DEVBOX_TRACE_SPOOL     where spans go; without it nothing happens
DEVBOX_TRACE_SERVICE   the service's name
DEVBOX_TRACE_CPU       1: spans say how long they were on the processor (see `cpu`)
DEVBOX_TRACE_CODE      folders (os.pathsep between them) whose modules have all their functions recorded
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

from .imports import finder
from .switch import configure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

PUBLIC_NAME = "devbox.tracer"


def switch_on() -> None:
    """Begin to record as the environment says."""
    if not configure():
        return
    code = os.environ.get("DEVBOX_TRACE_CODE", "")
    finder().folders = tuple(os.path.abspath(one) + os.sep for one in code.split(os.pathsep) if one)
    here = __name__.rpartition(".")[0]
    if here != PUBLIC_NAME:
        sys.meta_path.insert(0, _Alias(here))
    from .hooks import install
    from .hooks.servers import SERVERS

    install(SERVERS)


class _Alias:
    """Makes an application that uses `devbox.tracer` itself share this recorder, not have a second one."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        if name != PUBLIC_NAME and not name.startswith(PUBLIC_NAME + "."):
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, self)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return import_module(self._package + spec.name[len(PUBLIC_NAME) :])

    def exec_module(self, module: ModuleType) -> None:
        """Has run already, under its other name."""
