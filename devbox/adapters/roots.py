"""What is said where the remote root cannot be used, whatever lane found out."""

from __future__ import annotations

import shlex

from devbox.errors import HostError


def no_folder(root: str, host: str) -> HostError:
    """Something else stands where the root should be."""
    return HostError(
        "the remote root is not a folder",
        where=f"{host}:{root}",
        next_steps=["choose another `remote` in devbox.yaml, or move away what stands there"],
    )


def cannot_make(root: str, staging: str, host: str, why: str) -> HostError:
    """The root is missing and this user may not make it."""
    return HostError(
        "the remote root does not exist and cannot be made by this user",
        where=f"{host}:{root}",
        why=why,
        next_steps=[_command(root, staging, host)],
    )


def cannot_write(root: str, staging: str, host: str, why: str) -> HostError:
    """Neither beside nor in the root files can be staged."""
    return HostError(
        "the remote root cannot be written to",
        where=f"{host}:{root}",
        why=why,
        next_steps=[_command(root, staging, host)],
    )


def _command(root: str, staging: str, host: str) -> str:
    """The exact line that makes root and staging for the SSH user."""
    folders = shlex.quote(root)
    if not staging.startswith(root + "/"):
        folders += f" {shlex.quote(staging)}"
    return f'ssh {host} \'sudo install -d -o "$(id -u)" -g "$(id -g)" {folders}\''
