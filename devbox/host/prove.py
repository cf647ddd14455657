"""The proof from here: our certificate is let in, and nobody else is. The same checks serve `doctor`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from devbox.host import pki
from devbox.ports.check import Check, Finding, Stage, Verdict
from devbox.ports.probe import Answer, Credentials, Outcome, Probe


@dataclass(frozen=True, slots=True)
class Door:
    """The daemon's TLS door as seen from here; behind a tunnel, `hostname` and `port` are its local end.

    `name` is what the certificate must be for; `credentials` and `foreign` are folders with PEM files; `now`
    is when they must be good (0: that is not asked).
    """

    hostname: str
    port: int
    name: str
    credentials: Path
    foreign: Path
    engine: str = ""
    now: float = 0


_THEIRS = "devbox init   (prepares it for us), or ask who prepared it: devbox host grant"
_FIXES = (
    ("mismatch", "devbox host renew   (makes a certificate for this name too)"),
    ("expired", "devbox host renew"),
    (
        "not yet valid",
        "devbox host renew, and set the clocks right: timedatectl set-ntp true   (here and there)",
    ),
    (
        "wrong version number",
        "what listens there does not speak TLS: devbox init, or docker: {port: ANOTHER}",
    ),
    ("self-signed", f"it shows a certificate of another authority: {_THEIRS}"),
    ("unable to get", f"it shows a certificate of another authority: {_THEIRS}"),
    ("unknown ca", f"it takes certificates of another authority: {_THEIRS}"),
    ("bad certificate", f"it takes certificates of another authority: {_THEIRS}"),
)
"""What to do about a failed handshake, by OpenSSL's words for it."""


def ours(folder: Path) -> Credentials:
    """Our certificate."""
    return Credentials(str(folder / "ca.pem"), str(folder / "cert.pem"), str(folder / "key.pem"))


def checks(door: Door, probe: Probe) -> list[Check]:
    """One positive check and three negative ones, over every address of the host."""
    foreign = replace(ours(door.foreign), ca=str(door.credentials / "ca.pem"))
    nobody = Credentials(str(door.credentials / "ca.pem"))
    return [
        Check("with our certificate", Stage.TLS, lambda: _welcome(door, probe)),
        Check("without a certificate", Stage.TLS, lambda: _refused(door, probe, nobody)),
        Check("with a foreign certificate", Stage.TLS, lambda: _refused(door, probe, foreign)),
        Check("in plain HTTP", Stage.TLS, lambda: _refused(door, probe, None)),
    ]


def run(found: list[Check]) -> list[tuple[str, Finding]]:
    """All checks at once: each is a wait for the network."""
    with ThreadPoolExecutor(max(1, len(found))) as pool:
        return list(zip((one.name for one in found), pool.map(lambda one: one.probe(), found), strict=True))


def _each(
    door: Door, probe: Probe, credentials: Credentials | None, path: str
) -> Iterator[tuple[str, Answer]]:
    for address in probe.addresses(door.hostname, door.port):
        yield address[0], probe.ask(address, path, name=door.name, credentials=credentials)


def _welcome(door: Door, probe: Probe) -> Finding:
    answers = list(_each(door, probe, ours(door.credentials), "/info"))
    if not answers:
        return Finding(Verdict.FAILED, f"{door.hostname} has no address", f"getent hosts {door.hostname}")
    inside = [(address, one) for address, one in answers if one.let_in and one.status == 200]
    outside = [(address, one) for address, one in answers if not (one.let_in and one.status == 200)]
    if inside:
        found = _recognise(door, inside[0][0], json.loads(inside[0][1].body))
        return _half_open(door, found, outside) if outside else found
    address, answer = outside[0]
    return Finding(Verdict.FAILED, f"{address}:{door.port}: {answer.why}", _mend(door, answer))


def way_in(port: int) -> str:
    """What to do about a port that something on the way closes."""
    return (
        f"open TCP port {port} for this machine: devbox init --open-firewall, "
        "or docker: {endpoint: tls-tunnel} in devbox.yaml"
    )


def _mend(door: Door, answer: Answer) -> str:
    """What to do about a door that does not let us in."""
    if answer.outcome is Outcome.UNREACHABLE:
        return way_in(door.port)
    if answer.outcome is Outcome.SILENT:
        return f"something on the way swallows TLS on port {door.port}: a firewall, a VPN, its MTU"
    if answer.status == 403:
        return "an authorization plugin of that dockerd decides who may do what: ask who runs that plugin"
    if answer.outcome is Outcome.REFUSED and (fault := _own_fault(door)):
        return f"devbox host renew   (our own certificate {fault})"
    found = next((fix for words, fix in _FIXES if words in answer.why), "")
    return found or "devbox init   (again: it sends new certificates where they do not fit)"


def _own_fault(door: Door) -> str:
    """Why a daemon that knows our authority refuses our certificate: its dates; older ones do not say so."""
    cert = (door.credentials / "cert.pem").read_bytes()
    if door.now and pki.days_left(cert, door.now) < 0:
        return "has expired"
    return "is not valid yet" if door.now and pki.early(cert, door.now) else ""


def _half_open(door: Door, found: Finding, outside: list[tuple[str, Answer]]) -> Finding:
    """Let in at one address of the name and not at another: clients may take either."""
    if found.verdict is not Verdict.OK:
        return found
    address, answer = outside[0]
    evidence = f"{found.evidence}, but not at {address}:{door.port} ({answer.why})"
    fix = f"take {address} out of the name {door.hostname}, or open the port there too"
    return Finding(Verdict.WARNING, evidence, fix, found.data)


def _recognise(door: Door, address: str, info: dict[str, object]) -> Finding:
    version, identity = str(info.get("ServerVersion", "")), str(info.get("ID", ""))
    data = {"version": version, "engine": identity}
    if door.engine and identity != door.engine:
        return Finding(
            Verdict.FAILED,
            f"another daemon answers: engine {identity}, over SSH it is {door.engine}",
            "something else sits on that port (NAT, a proxy): check the host's address",
            data,
        )
    return Finding(Verdict.OK, f"let in at {address}:{door.port}, Docker {version}", data=data)


def _refused(door: Door, probe: Probe, credentials: Credentials | None) -> Finding:
    """A refusal is what the daemon says: a timeout, a closed port or our own distrust prove nothing."""
    answers = list(_each(door, probe, credentials, "/version"))
    for address, answer in answers:
        if answer.let_in:
            return Finding(
                Verdict.FAILED,
                f"LET IN at {address}:{door.port}",
                "devbox host reset   (takes the open door away)",
                {"security": True},
            )
    refused = [answer.why for _, answer in answers if answer.outcome is Outcome.REFUSED]
    doubtful = (Outcome.SILENT, Outcome.UNTRUSTED) if refused else tuple(Outcome)
    unproved = [
        f"{address}:{door.port}: {one.outcome.value}, {one.why}"
        for address, one in answers
        if one.outcome in doubtful
    ]
    if refused and not unproved:
        return Finding(Verdict.OK, f"refused: {_short(refused[0])}")
    evidence = "; ".join(unproved) or f"{door.hostname} has no address"
    return Finding(Verdict.FAILED, f"no proof of a refusal: {evidence}", "run the same command again")


def _short(text: str) -> str:
    return text.splitlines()[0][:90]


def restart_containers(door: Door, probe: Probe, wanted: list[str], said: Callable[[str], None]) -> None:
    """Start those containers again that the daemon's restart stopped."""
    address = (door.hostname, door.port)
    for identity in wanted:
        path = f"/containers/{identity}/start"
        answer = probe.ask(address, path, name=door.name, credentials=ours(door.credentials), method="POST")
        if answer.status not in (204, 304, 404):
            said(f"container {identity[:12]} did not start again: {answer.why}")
