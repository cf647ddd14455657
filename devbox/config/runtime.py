"""How a container's processes run: what they may do, where they write, how they are ended. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Runtime:
    """The finer points of a service, which a compose file may say."""

    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    ulimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Soft and hard; -1 is unlimited."""
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    """Paths in memory, and their mount options."""
    read_only: bool = False
    no_new_privileges: bool = False
    init: bool = True
    """A tiny init as PID 1: signals reach the app, orphans are reaped."""
    stop_signal: str = ""
    stop_grace: float | None = None
    """Seconds between that signal and the end; None is the daemon's choice."""
    log_driver: str = ""
    log_options: Mapping[str, str] = field(default_factory=dict)
