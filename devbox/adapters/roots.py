"""What is said where the remote root cannot be used, whatever lane found out."""

from __future__ import annotations

import shlex

from devbox.errors import HostError, RootRefused
from devbox.ports.tree import Owner


def no_folder(root: str, host: str) -> HostError:
    """Something else stands where the root should be."""
    return HostError(
        "the remote root is not a folder",
        where=f"{host}:{root}",
        next_steps=["choose another `remote` in devbox.yaml, or move away what stands there"],
    )


def cannot_make(root: str, staging: str, host: str, why: str) -> HostError:
    """The root is missing and this user may not make it."""
    return RootRefused(
        "the remote root does not exist and cannot be made by this user",
        where=f"{host}:{root}",
        why=why,
        next_steps=[_command(root, staging, host)],
    )


def cannot_write(root: str, staging: str, host: str, why: str) -> HostError:
    """Neither beside nor in the root files can be staged."""
    return RootRefused(
        "the remote root cannot be written to",
        where=f"{host}:{root}",
        why=why,
        next_steps=[_command(root, staging, host)],
    )


def held_by(owner: Owner) -> bytes:
    """What stands in the lock file: its holder's key, and words about it."""
    return f"{owner.key}\n{owner.words}\n".encode(errors="replace")


def locked(where: str, content: str, age: float) -> HostError:
    """Another devbox holds the root; `content` is that of its lock file, `age` in seconds."""
    words = content.split("\n")[1] if "\n" in content else "somebody"
    return HostError(
        "another devbox syncs to this remote root",
        where=where,
        why=f"{words}, seen {max(age, 0):.0f} s ago",
        next_steps=[
            "end it there; one that was killed is forgotten after a minute",
            "give this project a `remote` of its own in devbox.yaml",
        ],
    )


def _command(root: str, staging: str, host: str) -> str:
    """The exact line that makes root and staging for the SSH user."""
    folders = shlex.quote(root)
    if not staging.startswith(root + "/"):
        folders += f" {shlex.quote(staging)}"
    return f'ssh {host} \'sudo install -d -o "$(id -u)" -g "$(id -g)" {folders}\''
