"""The host's links of the chain, for `doctor`: what it says about itself, what its door says to us."""

from __future__ import annotations

import os

from devbox.config.model import Endpoint
from devbox.host import advisories, contexts, daemon, pki, prove
from devbox.host.model import Facts, Wish
from devbox.host.proof import other_doors
from devbox.host.prove import Door
from devbox.host.store import Store
from devbox.ports.check import Check, Finding, Stage, Verdict
from devbox.ports.probe import Probe

_LITTLE_DISK = 2_000_000_000
_CLOCK_DRIFT = 60


def on_host(facts: Facts, wish: Wish, now: float) -> list[Check]:
    """What the facts say; each is settled already, nothing more is asked of the host."""
    return [
        Check("root on the host", Stage.PRIVILEGE, lambda: _privilege(facts, wish)),
        Check("the host's clock", Stage.DAEMON, lambda: _clock(facts, now)),
        Check("dockerd runs", Stage.DAEMON, lambda: _daemon(facts, wish)),
        Check("known flaws", Stage.DAEMON, lambda: _flaws(facts)),
        Check("no open root port", Stage.LISTENER, lambda: _open_ports(facts, wish)),
        Check("disk for images", Stage.DISK, lambda: _disk(facts)),
    ]


def from_here(door: Door, probe: Probe) -> list[Check]:
    """The TLS door: reachable, ours let in, strangers not."""
    return [
        Check("the TLS port", Stage.NETWORK, lambda: _reachable(door, probe)),
        *prove.checks(door, probe),
    ]


def client(store: Store, now: float) -> list[Check]:
    """What is kept here: certificates, the Docker context, and an environment that does not beat it."""
    return [
        Check("certificates here", Stage.CLIENT, lambda: _certificates(store, now)),
        Check("Docker context", Stage.CLIENT, lambda: _context(store)),
    ]


def _privilege(facts: Facts, wish: Wish) -> Finding:
    if wish.endpoint is Endpoint.SSH:  # the facts were read without root
        return Finding(Verdict.SKIPPED, "is not needed: the daemon is reached through SSH")
    if facts.as_root:
        return Finding(Verdict.OK, f"{facts.user} is root there, directly or through sudo")
    return Finding(
        Verdict.WARNING, f"{facts.user} is not root and has no sudo", "only init and reset need it"
    )


def _clock(facts: Facts, now: float) -> Finding:
    drift = round(facts.clock - now)
    if abs(drift) <= _CLOCK_DRIFT:
        return Finding(Verdict.OK, f"{abs(drift)} s from ours")
    side = "ahead of" if drift > 0 else "behind"
    fix = "set the clocks right (timedatectl set-ntp true): certificates are valid from and until a moment"
    return Finding(Verdict.WARNING, f"{abs(drift)} s {side} ours", fix)


def _daemon(facts: Facts, wish: Wish) -> Finding:
    if not facts.dockerd:
        return Finding(Verdict.FAILED, "Docker is not installed", f"devbox init {wish.host} --install")
    if wish.endpoint is Endpoint.SSH and facts.asleep:
        return Finding(Verdict.OK, f"{facts.dockerd_version}; it starts when it is asked")
    if facts.systemd and facts.service.active_state != "active":
        return Finding(Verdict.FAILED, f"docker.service is {facts.service.active_state}", _start(facts, wish))
    return Finding(Verdict.OK, facts.dockerd_version)


def _start(facts: Facts, wish: Wish) -> str:
    """What gets a daemon going: one that was stopped is started, one that fails says why."""
    if facts.service.active_state == "inactive":
        return f"ssh -t {wish.host} sudo systemctl start docker.service"
    return f"ssh -t {wish.host} sudo journalctl -u docker.service -n 50"


def _flaws(facts: Facts) -> Finding:
    if not facts.dockerd:
        return Finding(Verdict.SKIPPED, "Docker is not installed")
    return advisories.finding(facts.dockerd_version)


def _open_ports(facts: Facts, wish: Wish) -> Finding:
    if found := daemon.open_addresses(facts):
        named = ", ".join(f"{one.address} ({one.origin})" for one in found)
        fix = f"devbox init {wish.host}   (secures it)"
        return Finding(Verdict.FAILED, f"everybody is root at {named}", fix)
    return other_doors(facts, wish)


def _disk(facts: Facts) -> Finding:
    if facts.disk_free < 0:
        return Finding(Verdict.SKIPPED, "the host could not say")
    free = f"{facts.disk_free / 1e9:.1f} GB free for images"
    if facts.disk_free < _LITTLE_DISK:
        return Finding(Verdict.WARNING, free, "docker system prune   (on that Docker context)")
    return Finding(Verdict.OK, free)


def _reachable(door: Door, probe: Probe) -> Finding:
    addresses = probe.addresses(door.hostname, door.port)
    if not addresses:
        return Finding(Verdict.FAILED, f"{door.hostname} has no address", f"getent hosts {door.hostname}")
    answers = [(address, probe.ask(address, "/_ping")) for address in addresses]
    for address, answer in answers:
        if answer.reached:
            return Finding(Verdict.OK, f"{address[0]}:{address[1]} accepts connections")
    why = answers[0][1].why
    fix = (
        "devbox init   (dockerd does not listen there, or a firewall refuses: it says which)"
        if "refused" in why
        else prove.way_in(door.port)
    )
    return Finding(Verdict.FAILED, f"{door.hostname}:{door.port}: {why}", fix)


def _certificates(store: Store, now: float) -> Finding:
    pair = store.pair("client")
    if pair is None:
        return Finding(Verdict.FAILED, f"none in {store.folder}", f"devbox init {store.host}")
    days = pki.days_left(pair.cert, now)
    loose = [path.name for path in store.folder.glob("*key.pem") if path.stat().st_mode & 0o077]
    if loose:
        fix = f"chmod 600 {store.folder}/*key.pem"
        return Finding(Verdict.FAILED, f"others may read {', '.join(loose)}", fix)
    if days < pki.RENEW_DAYS:
        return Finding(Verdict.WARNING, f"{days:.0f} days left", "devbox host renew")
    return Finding(Verdict.OK, f"{days:.0f} days left")


def _context(store: Store) -> Finding:
    if not contexts.exists(store.context):
        return Finding(Verdict.WARNING, f"there is no {store.context}", f"devbox init {store.host}")
    if beating := os.environ.get("DOCKER_HOST"):
        evidence = f"DOCKER_HOST={beating} beats {store.context} in the docker CLI"
        return Finding(Verdict.WARNING, evidence, "unset DOCKER_HOST")
    return Finding(Verdict.OK, f"docker --context {store.context}")
