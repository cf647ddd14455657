"""A service of a compose file while it is read, and what is said of keys that are not taken. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from devbox.config.model import Build
from devbox.config.shapes import Complaint, Located

_WHY = {
    "extends": "is not taken: write the service out (docker compose config does)",
    "include": "is not taken: write the services out (docker compose config does)",
    "external": "is not taken: devbox makes its own volumes and networks, and removes only those",
}


@dataclass(slots=True)
class Draft:
    """A service while it is read: fields of `Service` and `Runtime`, the build that it names, its folder,
    variables, and the files of the secrets that there are.

    `dangers` are what it must be allowed, and the lines that want it.
    """

    name: str
    folder: str
    variables: Mapping[str, str]
    secrets: Mapping[str, str]
    values: dict[str, Any] = field(default_factory=dict)
    runtime: dict[str, Any] = field(default_factory=dict)
    build: Build | None = None
    dangers: dict[str, int] = field(default_factory=dict)


Taker = Callable[[Draft, Located, str], None]
"""Takes the value of one key, found at a path."""


def refused(key: str, node: Located) -> Complaint:
    """What is said of a key that is not taken."""
    why = _WHY.get(key.rpartition(".")[2], "is a key of compose files that devbox does not take")
    return Complaint(key, node.line, why)


def keep(name: str, shape: Any) -> Taker:
    """Takes a value of that shape as the field of that name."""

    def take(draft: Draft, node: Located, path: str) -> None:
        draft.values[name] = shape.read(node, path)

    return take


def ignore(draft: Draft, node: Located, path: str) -> None:
    """Says nothing that changes what runs here."""
