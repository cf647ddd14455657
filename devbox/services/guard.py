"""A command in a container shall end when whoever started it is gone.

The daemon lets an exec run on after its client's death (moby/moby#9098), for there is nobody to hang up on
it. So a second, tiny exec waits beside it on an input that only this process holds: told "done" it goes
home; when its input just ends, this process died or the link broke, and it ends what bears the mark.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from devbox.errors import DevboxError
from devbox.ports.daemon import Attached, Daemon, ExecSpec

MARK = "DEVBOX_COMMAND"
_GRACE = 5
_PATIENCE = 30.0
# It looks more than once: a command whose start was asked for just before the end may begin after it.
_END_MARKED = f"""
read -r word && exit 0
all() {{ for one in /proc/[0-9]*; do
  grep -qs "{MARK}=$1" "$one/environ" && kill "-$2" "${{one#/proc/}}"
done; }}
all "$1" HUP
for round in 1 2 3 4 5 6; do sleep {_GRACE}; all "$1" KILL; done
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
    """Left by an exception (^C, a lost link, a reader that went away) the guard does its work."""
    try:
        guard = daemon.exec(container, ExecSpec(command, stdin=True))
    except DevboxError:  # it ended already: nothing to guard
        yield
        return
    with contextlib.closing(guard):
        yield
        _dismiss(guard)


def _dismiss(guard: Attached) -> None:
    """Say that all is well, and wait until it was heard: the word may still be on its way through our own
    threads, and would be lost with them when this process ends now."""
    given_up = threading.Timer(_PATIENCE, guard.close)
    given_up.start()
    try:
        with contextlib.suppress(OSError):  # gone with its container
            guard.write(b"done\n")
            for _ in guard.output():
                pass
    finally:
        given_up.cancel()
