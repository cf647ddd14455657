"""What stands in the way of preparing a host, each with the way round it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from devbox.config.model import Endpoint
from devbox.host import daemon, manifest, units
from devbox.host.model import DAEMON_JSON, DROP_IN_NAMES, DROP_INS, Facts, Refusal, Wish

_SHIMS = {
    "desktop": (
        "Docker on this host is Docker Desktop",
        "its dockerd is in a virtual machine of its own, which no setting of this system reaches",
        "use a Linux host with Docker Engine; on this machine itself no devbox host is needed",
    ),
    "podman": (
        "the host's `docker` is podman's stand-in",
        "podman has no dockerd to prepare",
        "on the host: sudo apt-get remove podman-docker, then devbox init --install",
    ),
    "snap": (
        "Docker comes from a snap on this host",
        "a snap reads neither /etc/docker nor systemd drop-ins",
        "on the host: sudo snap remove docker, then devbox init --install",
    ),
    "rootless": (
        "Docker runs rootless on this host, for one user",
        "its socket is in that user's /run/user, and no service of the system starts it",
        "on the host: dockerd-rootless-setuptool.sh uninstall, then devbox init --install",
    ),
}
_BESIDE = ("snap", "rootless")
"""These may stand beside a dockerd of the system's own, which is the one to prepare."""
_SSH_ENDPOINT = "docker: {endpoint: ssh} in devbox.yaml   (needs no root and opens no port)"


def find(facts: Facts, wish: Wish) -> Iterator[Refusal]:
    """Every reason not to touch this host."""
    yield from _busy(facts, wish)
    yield from _missing(facts, wish)
    yield from _roots(facts)
    if wish.endpoint is Endpoint.SSH:
        yield from _closed_socket(facts)
        return
    yield from _no_root(facts, wish)
    yield from _settings(facts)
    yield from _later_drop_in(facts)
    yield from _somebody_elses(facts, wish)
    yield from _port(facts, wish)
    if wish.open_firewall and facts.firewalls and not (wish.sources or facts.client):
        yield Refusal(
            "whom to let through the host's firewall is not known",
            "the host is not reached through SSH: it cannot say who asks",
            (f"devbox init {wish.host} --from ADDRESS",),
        )


def _busy(facts: Facts, wish: Wish) -> Iterator[Refusal]:
    pending = facts.pending
    if pending is not None and not wish.owns(pending.owner, pending.client):
        age = max(0, facts.clock - pending.started)
        other = ", at another machine of that name," if pending.owner == wish.owner else ""
        yield Refusal(
            f"{pending.owner}{other} is preparing this host",
            f"begun {age} s ago; unproved changes are taken back by themselves within minutes",
            (f"devbox init {wish.host}   (in a few minutes)",),
        )


def _missing(facts: Facts, wish: Wish) -> Iterator[Refusal]:
    own = facts.dockerd.startswith("/usr") and (facts.service.exists or not facts.systemd)
    for shim in facts.shims:
        if not (own and shim in _BESIDE):
            what, why, step = _SHIMS[shim]
            yield Refusal(what, why, (step,))
            return
    if not facts.dockerd:
        yield Refusal(
            "Docker is not installed on the host",
            f"{facts.distribution} has no dockerd on its PATH",
            (f"devbox init {wish.host} --install   (the distribution's own package)",),
        )
    elif wish.endpoint is not Endpoint.SSH and not facts.systemd:
        yield Refusal(
            "the host does not run systemd",
            f"process 1 is {facts.init or 'unknown'} on {facts.distribution}",
            (_SSH_ENDPOINT,),
        )
    elif wish.endpoint is not Endpoint.SSH and not facts.service.exists:
        yield Refusal(
            "dockerd is not run by a system service here",
            f"docker.service is {facts.service.load_state}",
            (_SSH_ENDPOINT,),
        )


def _roots(facts: Facts) -> Iterator[Refusal]:
    for root in facts.roots:
        if root.state == "other":
            yield Refusal(
                f"{root.path} is on the host and is not a folder", "", (f"mv {root.path} elsewhere",)
            )
        elif root.state.isdigit() and int(root.state) != facts.uid:
            yield Refusal(
                f"{root.path} belongs to another user on the host",
                f"uid {root.state}, {facts.user} is uid {facts.uid}",
                (f"sudo chown {facts.user}: {root.path}", "or another `remote:` in devbox.yaml"),
            )


def _no_root(facts: Facts, wish: Wish) -> Iterator[Refusal]:
    if facts.as_root or wish.by_hand:
        return
    password = "password is required" in facts.no_root
    yield Refusal(
        f"{facts.user} cannot be root on the host, and opening the daemon's TLS port needs it",
        facts.no_root,
        (
            *(("run the same command at a terminal: it asks for sudo's password",) if password else ()),
            f"devbox init root@{_name_of(facts)}",
            f"devbox init {wish.host} --script FILE   (for somebody who is root there)",
            _SSH_ENDPOINT,
        ),
    )


def _name_of(facts: Facts) -> str:
    """The host's name for a suggestion."""
    return facts.fqdn or facts.hostname or "HOST"


def _closed_socket(facts: Facts) -> Iterator[Refusal]:
    if facts.dockerd and not facts.as_root and not facts.socket_open:
        yield Refusal(
            f"{facts.user} may not use Docker on the host",
            f"/var/run/docker.sock is {facts.socket or 'absent'}",
            (f"on the host, as root: usermod -aG docker {facts.user}   (then log in again)",),
        )


def _settings(facts: Facts) -> Iterator[Refusal]:
    if fault := daemon.settings(facts).fault:
        yield Refusal(
            f"{DAEMON_JSON} on the host is broken: dockerd would not start with it",
            fault,
            (f"on the host: sudoedit {DAEMON_JSON}",),
        )

    for one in daemon.conflicts(facts):
        yield Refusal(
            f"dockerd on the host would not start again: {one.key} is set twice",
            f"{one.flag} in {one.origin}, and {one.key} in {DAEMON_JSON}",
            (f"on the host: take one of the two out (sudoedit {DAEMON_JSON})",),
        )


def _later_drop_in(facts: Facts) -> Iterator[Refusal]:
    """systemd reads drop-ins in the order of their names, whatever folder they are in."""
    for file in daemon.unit_files(facts)[1:]:
        name = file.path.rpartition("/")[2]
        if name > DROP_IN_NAMES[-1] and units.sets(file.text, "ExecStart"):
            yield Refusal(
                f"{file.path} would undo what devbox writes",
                f"it sets ExecStart, and systemd reads it after {DROP_IN_NAMES[-1]}",
                (f"on the host: sudo mv {file.path} {DROP_INS}/10-{name} && sudo systemctl daemon-reload",),
            )


def _somebody_elses(facts: Facts, wish: Wish) -> Iterator[Refusal]:
    known = manifest.read(facts)
    if known is not None and known.authority not in ("", wish.authority, wish.former):
        yield Refusal(
            f"the host was prepared by {known.owner}",
            "its certificates come from their certificate authority, not from yours",
            (
                f"ask {known.owner} for a certificate: devbox host grant {facts.user}",
                f"devbox host reset {wish.host}   (where theirs may end)",
            ),
        )
    if (refusal := daemon.foreign_tls(facts)) is not None:
        yield refusal


def _port(facts: Facts, wish: Wish) -> Iterator[Refusal]:
    for one in facts.listening(wish.port):
        if one.program != "dockerd" and (one.pid or one.program):
            yield Refusal(
                f"port {wish.port} of the host is taken",
                f"{one.program or 'a program'} (pid {one.pid}) listens on {one.address}:{one.port}",
                (f"docker: {{port: {wish.port + 1}}} in devbox.yaml",),
            )
            return
