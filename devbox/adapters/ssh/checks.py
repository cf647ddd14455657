"""The first links of doctor's chain: the name, the network, the host's key, the login, root."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from devbox.adapters.ssh import dial
from devbox.adapters.ssh.connection import Connection
from devbox.adapters.ssh.resolve import Target, resolve
from devbox.errors import AuthError, DevboxError
from devbox.ports.check import Check, Finding, Stage, Verdict
from devbox.ports.host import Line, Privilege, Script

_SLOW = 0.3
"""From this round trip on (seconds) work over the link is felt to be slow."""


def failed(error: DevboxError) -> Finding:
    """A stated failure as a finding."""
    evidence = f"{error.what}: {error.why}" if error.why else error.what
    return Finding(Verdict.FAILED, evidence, error.next_steps[0] if error.next_steps else "")


@dataclass(slots=True)
class Door:
    """One attempt to connect, looked at by several checks; `open` is called once."""

    open: Callable[[], Connection]
    _outcome: Connection | DevboxError | None = field(default=None, init=False)

    def try_it(self) -> Connection | DevboxError:
        """The connection, or why there is none."""
        if self._outcome is None:
            try:
                self._outcome = self.open()
            except DevboxError as error:
                self._outcome = error
        return self._outcome

    def connection(self) -> Connection:
        """The connection; raises what stands against it."""
        outcome = self.try_it()
        if isinstance(outcome, DevboxError):
            raise outcome
        return outcome

    def close(self) -> None:
        """Hang up, if it was ever opened."""
        if self._outcome and not isinstance(self._outcome, DevboxError):
            self._outcome.close()


def checks(name: str, door: Door) -> list[Check]:
    """The checks for the host of that name."""
    return [
        Check("name", Stage.NAME, stated(lambda: _name(name))),
        Check("tcp", Stage.NETWORK, stated(lambda: _tcp(resolve(name)))),
        Check("key files", Stage.SSH, stated(lambda: _files(resolve(name)))),
        Check("host key", Stage.SSH, lambda: _host_key(door)),
        Check("login", Stage.SSH, stated(lambda: _login(door.connection()))),
        Check("latency", Stage.SSH, stated(lambda: _latency(door.connection()))),
        Check("root", Stage.PRIVILEGE, stated(lambda: _root(door.connection()))),
    ]


def stated(probe: Callable[[], Finding]) -> Callable[[], Finding]:
    """The probe with its stated failures found instead of raised."""

    def guarded() -> Finding:
        try:
            return probe()
        except DevboxError as error:
            return failed(error)

    return guarded


def _ways(target: Target) -> str:
    if target.proxy_command:
        return "through ProxyCommand"
    return f"through {', '.join(target.jumps)}" if target.jumps else ""


def _name(name: str) -> Finding:
    target = resolve(name)
    if way := _ways(target):
        return Finding(Verdict.OK, f"{target.address}, {way}")
    found = sorted({str(address[0]) for _, address in dial.lookup(target)})
    return Finding(Verdict.OK, f"{target.address} is {', '.join(found)}", data={"addresses": found})


def _tcp(target: Target) -> Finding:
    if way := _ways(target):
        return Finding(Verdict.SKIPPED, f"it is reached {way}")
    started = time.monotonic()
    dial.tcp(target).close()
    took = (time.monotonic() - started) * 1000
    return Finding(
        Verdict.OK, f"port {target.address.port} answers in {took:.0f} ms", data={"ms": round(took, 1)}
    )


def _files(target: Target) -> Finding:
    """Private keys that others may read are refused by OpenSSH: then `ssh` fails where devbox works."""
    keys = [path for path in map(Path, target.identities) if path.is_file()]
    for path in keys:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077 and not path.name.endswith(".pub"):
            return Finding(
                Verdict.WARNING,
                f"{path} may be read by others ({mode:04o}): OpenSSH refuses it",
                f"chmod 600 {path}",
            )
    agent = "an agent answers" if target.agent and os.path.exists(target.agent) else "no agent"
    return Finding(Verdict.OK, f"{len(keys)} identity file{'' if len(keys) == 1 else 's'}, {agent}")


def _host_key(door: Door) -> Finding:
    outcome = door.try_it()
    if isinstance(outcome, AuthError):  # that comes after the key was found right
        return Finding(Verdict.OK, "known")
    if isinstance(outcome, DevboxError):
        return failed(outcome)
    key = outcome.host_key
    return Finding(Verdict.OK, f"{key.label} {key.fingerprint} is known")


def _login(connection: Connection) -> Finding:
    return Finding(Verdict.OK, f"as {connection.address.user}")


def _latency(connection: Connection) -> Finding:
    seconds = connection.round_trip()
    text = f"a round trip takes {seconds * 1000:.0f} ms"
    data = {"ms": round(seconds * 1000, 1)}
    if seconds > _SLOW:
        return Finding(Verdict.WARNING, text, "a nearer host, or a better line", data)
    return Finding(Verdict.OK, text, data=data)


def _root(connection: Connection) -> Finding:
    try:
        run = connection.run(Script("id -u", privilege=Privilege.ROOT))
        said = [one.text for one in run if isinstance(one, Line)]
    except AuthError as error:
        return Finding(Verdict.WARNING, f"{error.what}: {error.why}", "only init and host reset need root")
    if "0" not in said:
        return Finding(Verdict.FAILED, f"sudo gave another user than root: {said}", "check /etc/sudoers")
    return Finding(Verdict.OK, "directly" if connection.address.user == "root" else "through sudo")
