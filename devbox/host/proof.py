"""Proving a prepared host from here, for every kind of endpoint, and refusing to go on without it."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from devbox.config.model import Endpoint
from devbox.errors import DaemonError, SecurityError
from devbox.host import apply, pki, prove
from devbox.host.model import Facts, Wish
from devbox.host.prove import Door
from devbox.host.room import Proposal, Room
from devbox.ports.check import Check, Finding, Stage, Verdict
from devbox.ports.events import Event
from devbox.ports.host import Privilege, Script, Socket
from devbox.ports.probe import Credentials

SOCKET = "/var/run/docker.sock"
_SWARM = (2377, 7946)
"""Ports of swarm mode, which has mutual TLS of its own."""

Findings = list[tuple[str, Finding]]


def run(room: Room, proposal: Proposal) -> Findings:
    """All checks of the endpoint, from here."""
    wish = proposal.wish
    if wish.endpoint is Endpoint.SSH:
        return prove.run([socket_check(room)])
    with door(room, wish, proposal.facts.engine.id) as found:
        return prove.run(prove.checks(found, room.probe))


@contextlib.contextmanager
def door(room: Room, wish: Wish, engine: str = "") -> Iterator[Door]:
    """The daemon's door, with a tunnel to it where it has no other way in."""
    name, port = room.host.address.hostname, wish.port
    with contextlib.ExitStack() as stack:
        foreign = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="devbox-")))
        _strangers_certificate(foreign, room.now())
        hostname = name
        if wish.endpoint is Endpoint.TLS_TUNNEL:
            forward = stack.enter_context(room.host.forward(Socket("127.0.0.1", port)))
            hostname, port = forward.local
            name = "localhost"
        yield Door(hostname, port, name, room.store.credentials(), foreign, engine, room.now())


def _strangers_certificate(folder: Path, now: float) -> None:
    stranger = pki.issue(pki.new_authority("nobody", now), pki.Use.CLIENT, "a stranger", now)
    for name, data in (("cert.pem", stranger.cert), ("key.pem", stranger.key)):
        (folder / name).touch(0o600)
        (folder / name).write_bytes(data)


def socket_check(room: Room) -> Check:
    """Whether this user may use the daemon's own socket, which is all that the `ssh` endpoint needs."""

    def look() -> Finding:
        with room.host.forward(Socket(path=SOCKET)) as forward:
            answer = room.probe.ask(forward.local, "/version")
        if answer.status == 200:
            return Finding(Verdict.OK, f"Docker answers through SSH at {SOCKET}")
        user = room.host.address.user
        fix = f"on the host, as root: usermod -aG docker {user}   (then connect again)"
        return Finding(Verdict.FAILED, f"{user} cannot use {SOCKET}: {answer.why}", fix)

    return Check("through SSH", Stage.DAEMON, look)


def demand(room: Room, findings: Findings) -> Findings:
    """Say what was found; anything that failed is an error."""
    for name, one in findings:
        data = {"check": name, "verdict": one.verdict.value, "evidence": one.evidence}
        room.emit(Event("init.check", "", data))
    for name, one in findings:
        if one.verdict is not Verdict.FAILED:
            continue
        where = str(room.host.address)
        if one.data.get("security"):
            raise SecurityError(f"a stranger was let in {name}", where=where, why=one.evidence)
        steps = [one.fix] if one.fix else []
        raise DaemonError(f"the proof failed: {name}", where=where, why=one.evidence, next_steps=steps)
    return findings


def closed(room: Room, wish: Wish) -> Findings:
    """After an undo: nobody is let in at the port any more, not even we."""
    name = room.host.address.hostname

    def answers(address: tuple[str, int], credentials: Credentials | None) -> Finding:
        if room.probe.ask(address, "/version", name=name, credentials=credentials).let_in:
            return Finding(Verdict.FAILED, f"the API still answers at {address[0]}:{address[1]}")
        return Finding(Verdict.OK, f"nobody is let in at port {wish.port}")

    found = prove.run(
        [
            Check("the port is closed", Stage.TLS, functools.partial(answers, address, credentials))
            for address in room.probe.addresses(name, wish.port)
            for credentials in (prove.ours(room.store.folder), None)
        ]
    )
    return [one for one in found if one[1].verdict is Verdict.FAILED] or found[:1]


def restart_containers(room: Room, proposal: Proposal) -> None:
    """Start what the restart stopped, with the host's own Docker CLI or through the new door."""
    stopped = list(proposal.facts.containers)
    _, code = apply.run_lines(
        room.host,
        Script(f"docker -H unix://{SOCKET} start {' '.join(stopped)} >/dev/null", privilege=Privilege.ROOT),
    )
    if code and proposal.material is not None:
        with door(room, proposal.wish) as found:
            prove.restart_containers(
                found, room.probe, stopped, lambda text: room.emit(Event("init.container", text))
            )


def compare(proposal: Proposal, after: Facts) -> Findings:
    """What only the host can say: the same containers as before, and no other TCP door of dockerd."""
    before = proposal.facts.containers
    gone = [name or identity[:12] for identity, name in before.items() if identity not in after.containers]
    same = (
        Finding(Verdict.WARNING, f"no longer running: {', '.join(gone)}", f"docker start {' '.join(gone)}")
        if gone
        else Finding(Verdict.OK, f"{len(before)} running before, the same now")
    )
    wish = proposal.wish if proposal.material else replace(proposal.wish, endpoint=Endpoint.SSH)
    return [("containers", same), ("no other TCP door", other_doors(after, wish))]


def other_doors(facts: Facts, wish: Wish) -> Finding:
    """Whether dockerd listens on TCP anywhere else than wished."""
    if not any(one.program for one in facts.listeners):
        return Finding(Verdict.SKIPPED, "the host cannot say who listens (no ss, or not as root)")
    doors = [one for one in facts.listeners if one.program == "dockerd" and one.port not in _SWARM]
    if wish.endpoint is not Endpoint.SSH:
        tunnel = wish.endpoint is Endpoint.TLS_TUNNEL
        doors = [one for one in doors if one.port != wish.port or (tunnel and not one.loopback)]
    if not doors:
        return Finding(Verdict.OK, "dockerd listens nowhere else")
    named = ", ".join(f"{one.address}:{one.port}" for one in doors)
    return Finding(Verdict.FAILED, f"dockerd listens on {named} too", data={"security": True})
