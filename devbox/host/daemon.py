"""How dockerd is started and what it listens on: units, drop-ins and daemon.json together. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from devbox.host import manifest, units
from devbox.host.model import DAEMON_JSON, DROP_IN_NAMES, DROP_INS, Facts, File, Refusal

OURS = tuple(f"{DROP_INS}/{name}" for name in DROP_IN_NAMES)
TLS_KEYS = ("tls", "tlsverify", "tlscacert", "tlscert", "tlskey")
_LISTS = {
    "authorization-plugin": "authorization-plugins",
    "default-address-pool": "default-address-pools",
    "default-ulimit": "default-ulimits",
    "dns-opt": "dns-opts",
    "exec-opt": "exec-opts",
    "insecure-registry": "insecure-registries",
    "label": "labels",
    "log-opt": "log-opts",
    "registry-mirror": "registry-mirrors",
    "storage-opt": "storage-opts",
}
"""Flags that may be repeated have another name in daemon.json."""
_FD, _UNIX = "fd://", "unix:///var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class Settings:
    """daemon.json: its values, or what is wrong with it."""

    values: dict[str, Any]
    fault: str = ""

    @property
    def hosts(self) -> list[str]:
        found = self.values.get("hosts", [])
        return [str(one) for one in found] if isinstance(found, list) else []


def settings(facts: Facts) -> Settings:
    """daemon.json as dockerd would read it; an absent or empty file says nothing."""
    return settings_in(facts.files.get(DAEMON_JSON))


def hosts(facts: Facts) -> list[str]:
    """The addresses of daemon.json: those that stand there, and those that an earlier `init` took out."""
    known = manifest.read(facts)
    moved = known.of(DAEMON_JSON) if known else None
    return list(dict.fromkeys([*settings(facts).hosts, *settings_in(moved.old if moved else None).hosts]))


def settings_in(file: File | None) -> Settings:
    """What the file says, as dockerd would read it."""
    if file is None or not (file.content or b"").strip():
        return Settings({})
    if (file.content or b"").startswith(b"\xef\xbb\xbf"):
        return Settings({}, "starts with a byte order mark, which dockerd does not take")
    try:
        values = json.loads(file.content or b"")
    except json.JSONDecodeError as error:
        return Settings({}, f"line {error.lineno}, column {error.colno}: {error.msg}")
    except UnicodeDecodeError as error:
        return Settings({}, f"is not UTF-8 text: {error.reason}")
    return Settings(values) if isinstance(values, dict) else Settings({}, "is not a JSON object")


def prepared(facts: Facts) -> bool:
    """Whether a drop-in of ours is in force; seen without root too."""
    return any(path in OURS for path in facts.service.drop_ins)


def unit_files(facts: Facts) -> list[File]:
    """The service's unit file and the drop-ins of others, in the order in which they apply."""
    paths = [facts.service.fragment, *(path for path in facts.service.drop_ins if path not in OURS)]
    return [facts.files[path] for path in paths if path in facts.files]


def start_command(files: Iterable[File]) -> str:
    """The ExecStart that is in force after these files, "" when there is none."""
    found = units.values((file.text for file in files), "Service", "ExecStart")
    return found[-1] if found else ""


@dataclass(frozen=True, slots=True)
class Variable:
    """What dockerd's command line takes from a variable, and the file that sets it."""

    value: str
    origin: str


def variables(facts: Facts) -> dict[str, Variable]:
    """The variables of the command line, by name; environment files win over `Environment=`."""
    found = {}
    for file in unit_files(facts):
        found.update({name: Variable(text, file.path) for name, text in units.variables(file.text).items()})
    for path in facts.service.environment_files:
        for setting in units.settings(facts.files[path].text if path in facts.files else ""):
            found[setting.key] = Variable(units.unquoted(setting.value), path)
    used = units.names(start_command(unit_files(facts)))
    return {name: one for name, one in found.items() if name in used}


def expanded(command: str, facts: Facts) -> str:
    """The command line as dockerd gets it."""
    return units.expanded(command, {name: one.value for name, one in variables(facts).items()})


def closed_variables(facts: Facts) -> dict[str, str]:
    """What the variables will be when they, too, say nothing of TCP and TLS."""
    return {name: units.without_network(one.value) for name, one in variables(facts).items()}


def local_address(facts: Facts) -> str:
    """The address under which programs of the host itself find the daemon."""
    return _FD if facts.socket_unit.exists or facts.service.triggered_by else _UNIX


def with_local(command: str, more: Iterable[str], facts: Facts) -> str:
    """The command line with the addresses of daemon.json, and with a local one in any case."""
    known = units.hosts(units.expanded(command, closed_variables(facts)))
    extra = [host for host in more if not host.startswith("tcp:") and host not in known]
    if not (known or extra):
        extra = [local_address(facts)]
    return " ".join([command, *(f"-H {host}" for host in extra)])


@dataclass(frozen=True, slots=True)
class Open:
    """One TCP address on which dockerd asks nobody for a certificate, and where that is written."""

    address: str
    origin: str


def open_addresses(facts: Facts) -> list[Open]:
    """Every unauthenticated TCP address that the host's files make dockerd listen on."""
    found = []
    values = settings(facts)
    for file in unit_files(facts):
        for command in units.values([file.text], "Service", "ExecStart"):
            if not _asks(expanded(command, facts), values):
                found += [Open(host, file.path) for host in _tcp(units.hosts(command))]
    if not _asks(expanded(start_command(unit_files(facts)), facts), values):
        for one in variables(facts).values():
            found += [Open(host, one.origin) for host in _tcp(units.hosts(one.value))]
    if not _verified(values):
        found += [Open(host, DAEMON_JSON) for host in _tcp(values.hosts)]
    for path in (facts.socket_unit.fragment, *facts.socket_unit.drop_ins):
        if path in facts.files:
            streams = units.values([facts.files[path].text], "Socket", "ListenStream")
            found += [Open(stream, path) for stream in streams if units.tcp_stream(stream)]
    return found


def _tcp(hosts: Iterable[str]) -> list[str]:
    return [host for host in hosts if host.startswith("tcp:")]


def _asks(command: str, values: Settings) -> bool:
    """Whether dockerd asks for a client's certificate, by its command line or by daemon.json."""
    return bool(units.tls_verified(command) and units.tls_authority(command)) or _verified(values)


def _verified(values: Settings) -> bool:
    """Whether daemon.json asks for client certificates of a named CA; without a CA that check is no check."""
    return values.values.get("tlsverify") is True and bool(values.values.get("tlscacert"))


def foreign_tls(facts: Facts) -> Refusal | None:
    """A daemon that already serves mutual TLS with somebody else's CA: theirs, not ours to replace."""
    command = expanded(start_command(unit_files(facts)), facts)
    values = settings(facts)
    on_tcp = any(host.startswith("tcp:") for host in [*units.hosts(command), *values.hosts])
    by_flag = units.tls_authority(command) if units.tls_verified(command) else ""
    authority = by_flag or (str(values.values["tlscacert"]) if _verified(values) else "")
    if not (on_tcp and authority):
        return None
    origin = DAEMON_JSON if not by_flag else "its systemd unit"
    return Refusal(
        "the daemon already serves TLS with another certificate authority",
        f"{origin} names {authority}",
        (
            "docker: {endpoint: ssh} in devbox.yaml   (needs no port and no certificates)",
            f"or take the TLS settings out of {origin} and run devbox init again",
        ),
    )


@dataclass(frozen=True, slots=True)
class Conflict:
    """A setting that is given twice; dockerd does not start then."""

    key: str
    flag: str
    origin: str


def conflicts(facts: Facts) -> list[Conflict]:
    """Settings of daemon.json that the command line has too, but for those that devbox moves there."""
    files = [file for file in unit_files(facts) if units.sets(file.text, "ExecStart")]
    if not files:
        return []
    said = [Variable(start_command(files), files[-1].path), *variables(facts).values()]
    flags = [(word, one.origin) for one in said for word in units.words(one.value)]
    found = [Conflict(_LISTS.get(name, name), word, at) for word, at in flags if (name := units.option(word))]
    values = settings(facts).values
    return [one for one in found if one.key in values and one.key not in TLS_KEYS]
