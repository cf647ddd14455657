"""A command in a container shall end when whoever started it is gone.

The daemon lets an exec run on after its client's death (moby/moby#9098), for there is nobody to hang up on
it. So a second, tiny exec waits beside it on an input that only this process holds: told "done" it goes
home; when its input just ends, this process died or the link broke, and it ends what bears the mark.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from devbox.errors import DevboxError
from devbox.ports.daemon import Daemon, ExecSpec

MARK = "DEVBOX_COMMAND"
_GRACE = 5
_END_MARKED = f"""
read -r word && exit 0
all() {{ for one in /proc/[0-9]*; do
  grep -qs "{MARK}=$1" "$one/environ" && kill "-$2" "${{one#/proc/}}"
done; }}
all "$1" HUP; sleep {_GRACE}; all "$1" KILL
"""
_END_ALL = f"read -r word && exit 0; kill -TERM 1; sleep {_GRACE}; kill -KILL -1"


@contextmanager
def marked(daemon: Daemon, container: str) -> Iterator[Mapping[str, str]]:
    """The variables that a command needs, to be ended with this process; those it left running on purpose
    stay when it ended by itself. In images without a shell nobody watches."""
    mark = secrets.token_hex(8)
    with _waiting(daemon, container, ("sh", "-c", _END_MARKED, "sh", mark)):
        yield {MARK: mark}


def whole(daemon: Daemon, container: str) -> contextlib.AbstractContextManager[None]:
    """The same for a container that is here for one command: all of it is ended."""
    return _waiting(daemon, container, ("sh", "-c", _END_ALL))


@contextmanager
def _waiting(daemon: Daemon, container: str, command: tuple[str, ...]) -> Iterator[None]:
    try:
        guard = daemon.exec(container, ExecSpec(command, stdin=True))
    except DevboxError:  # it ended already: nothing to guard
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # gone with its container
            guard.write(b"done\n")
        guard.close()
