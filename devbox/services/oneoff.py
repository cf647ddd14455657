"""A container for one command, which cannot outlive the process that asked for it.

Its first process is a shell that waits on an input which only we hold, from before the start on. The command
is an exec beside it, with a terminal and an exit code of its own. When the input ends, we died or the link
broke: the shell ends the command, and with the shell goes the container. There is no moment between.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from devbox.ports.daemon import Attached, ContainerSpec, Daemon, ExecSpec
from devbox.services import guard

_HERE = b"here"
_HOLD = f"printf {_HERE.decode()}; read -r word; trap '' TERM; kill -TERM -1; sleep 5"


@contextmanager
def opened(daemon: Daemon, spec: ContainerSpec, environment: Mapping[str, str]) -> Iterator[Attached]:
    """The command of `spec` at work, with these variables too; the container is gone when this is left."""
    with ExitStack() as stack:
        if not _hold(daemon, stack, spec):
            yield _watched(daemon, stack, spec)
            return
        command = daemon.exec(spec.name, _inside(daemon, spec, environment))
        yield stack.enter_context(contextlib.closing(command))


def _hold(daemon: Daemon, stack: ExitStack, spec: ContainerSpec) -> bool:
    """The container with the waiting shell; False when its image has none."""
    held = replace(spec, entrypoint=("sh", "-c", _HOLD), command=(), tty=False)
    with ExitStack() as own:
        made = _created(daemon, own, held)
        shell = own.enter_context(contextlib.closing(daemon.attach(made, tty=False)))
        daemon.start(made)
        if not any(_HERE in piece.data for piece in shell.output() if not piece.error):
            return False
        stack.push(own.pop_all())
    return True


def _watched(daemon: Daemon, stack: ExitStack, spec: ContainerSpec) -> Attached:
    """The command as the first process, with a guard beside it as soon as it runs, where that is possible."""
    made = _created(daemon, stack, replace(spec, name=f"{spec.name}-bare"))  # the other may not be gone yet
    attached = daemon.attach(made, spec.tty)
    daemon.start(made)
    stack.enter_context(guard.whole(daemon, made))
    return attached


def _created(daemon: Daemon, stack: ExitStack, spec: ContainerSpec) -> str:
    made = daemon.create(spec)
    stack.callback(daemon.remove, made)
    return made


def _inside(daemon: Daemon, spec: ContainerSpec, environment: Mapping[str, str]) -> ExecSpec:
    """The command as the image would run it: after its entrypoint."""
    image = daemon.image(spec.image)
    own = tuple((image.config.get("Entrypoint") if image else None) or ())
    entrypoint = own if spec.entrypoint is None else spec.entrypoint
    return ExecSpec((*entrypoint, *spec.command), environment=environment, tty=spec.tty, stdin=True)
