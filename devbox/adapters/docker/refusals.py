"""What the daemon refused, in the user's words and with the way out."""

from __future__ import annotations

import re

from devbox.errors import DaemonError, DaemonRefused
from devbox.ports.daemon import ContainerSpec

_TAKEN = re.compile(r"Bind for \S*:(\d+) failed: port is already allocated")


def starting(refused: DaemonRefused) -> DaemonError:
    """A container that was not started."""
    taken = _TAKEN.search(refused.why)
    if not taken:
        return refused
    steps = ["another LOCAL in ports: [LOCAL:CONTAINER]", "devbox up   (without --expose)"]
    what = f"port {taken[1]} of the host is taken"
    return DaemonError(what, where=refused.where, why=refused.why, next_steps=steps)


def creation(spec: ContainerSpec, refused: DaemonRefused) -> DaemonError:
    """A container that was not created."""
    missing = re.search(r"bind source path does not exist: (\S+)", refused.why)
    if missing:
        return DaemonError(
            f"{spec.name} wants {missing[1]} mounted, and the host has no such path",
            where=refused.where,
            next_steps=["devbox sync   (brings the code to the host)"],
        )
    if refused.status == 404 and "No such image" in refused.why:
        steps = ["devbox build"]
        return DaemonError(f"there is no image {spec.image}", where=refused.where, next_steps=steps)
    if refused.status == 409 and "is already in use by container" in refused.why:
        what, steps = f"somebody else made {spec.name} at the same time", ["devbox up   (once they are done)"]
        return DaemonError(what, where=refused.where, why=refused.why, next_steps=steps)
    return DaemonError(f"{spec.name or spec.image} cannot be created", where=refused.where, why=refused.why)
