"""A Check: one link of the chain from the laptop to the running app, proved or broken.

Every room hands its checks to `doctor`; `init` runs the same ones as its verification.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Verdict(Enum):
    """`SKIPPED` is for links that this configuration does not have, and says why in the evidence."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: the verdict, the evidence it rests on, and the command or edit that mends it."""

    verdict: Verdict
    evidence: str
    fix: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


class Stage(Enum):
    """The order of the chain: a broken link explains everything after it."""

    NAME = 1
    NETWORK = 2
    SSH = 3
    PRIVILEGE = 4
    DAEMON = 5
    LISTENER = 6
    TLS = 7
    CLIENT = 8
    DISK = 9
    SYNC = 10
    IMAGE = 11
    SERVICES = 12
    APP = 13
    IDE = 14


@dataclass(frozen=True, slots=True)
class Check:
    """One check; `probe` does the looking and never raises a stated failure: it finds it."""

    name: str
    stage: Stage
    probe: Callable[[], Finding]
