"""Root through sudo: without a password where that works, else with one that travels over stdin only."""

from __future__ import annotations

from typing import Protocol

from devbox.adapters.ssh.running import Running
from devbox.adapters.ssh.stage import SUDO, SUDO_WITH_PASSWORD, Stage
from devbox.errors import AuthError, ConnectionLost
from devbox.ports.host import HostAddress

_TRIES = 3
_WRONG_PASSWORD = ("try again", "incorrect password")
_WANTS_PASSWORD = ("password is required", "terminal is required", "askpass")


class Connection(Protocol):
    """What becoming root needs of a connection."""

    sudo_needs_password: bool
    """Remembered: the first try told."""

    @property
    def address(self) -> HostAddress: ...

    @property
    def alive(self) -> bool: ...

    def start(self, stage: Stage, command: str) -> Running:
        """Run a command that will be fed the stage."""

    def sudo_password(self, prompt: str, again: bool) -> str | None:
        """The user's answer, or the one given before; None when there is nobody to ask."""


def run(connection: Connection, stage: Stage) -> Running:
    """Run the stage as root, or raise an `AuthError` with sudo's own words."""
    if not connection.sudo_needs_password:
        running = connection.start(stage, stage.command(SUDO))
        running.send_stage()
        if running.await_begin():
            return running
        if not any(words in running.refusal for words in _WANTS_PASSWORD):
            raise _refused(connection, running)
        connection.sudo_needs_password = True
    return _with_password(connection, stage)


def _with_password(connection: Connection, stage: Stage) -> Running:
    address = connection.address
    running: Running | None = None
    for attempt in range(_TRIES):
        password = connection.sudo_password(f"sudo password of {address}: ", again=attempt > 0)
        if password is None:
            raise AuthError(
                "sudo wants a password and nobody is there to give it",
                where=str(address),
                why="sudo: a password is required",
                next_steps=[
                    "run the same command at a terminal: it asks",
                    f"or let {address.user} use sudo without one, or connect as root",
                ],
            )
        running = connection.start(stage, stage.command(SUDO_WITH_PASSWORD, announce=True))
        running.send(password.encode() + b"\n")
        # Only a stage that has begun may be fed: before, sudo would take the script for more passwords.
        if running.await_begin(gives_up=_WRONG_PASSWORD):
            running.send_stage()
            return running
        if not any(words in running.refusal for words in _WRONG_PASSWORD):
            break
    assert running is not None
    raise _refused(connection, running)


def _refused(connection: Connection, running: Running) -> AuthError | ConnectionLost:
    address = connection.address
    said = [line for line in running.refusal.splitlines() if "sudo" in line] or running.refusal.splitlines()
    why = said[-1].strip() if said else ""
    if not connection.alive:
        return ConnectionLost("the connection broke", where=str(address), why=why)
    missing = "not found" in why
    install = "apt-get install sudo && " if missing else ""
    return AuthError(
        "there is no sudo on the host" if missing else f"sudo does not let {address.user} be root",
        where=str(address),
        why=why or "sudo ended without a word",
        next_steps=[
            f"connect as root: root@{address.hostname}",
            f"or, as root on the host: {install}usermod -aG sudo {address.user}",
        ],
    )
