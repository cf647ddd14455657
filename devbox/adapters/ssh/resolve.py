"""What a host's name means, as OpenSSH resolves it: `ssh -G`, or paramiko's reader without a client."""

from __future__ import annotations

import contextlib
import getpass
import importlib
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import paramiko

from devbox import command
from devbox.errors import HostUnreachable, UsageError
from devbox.ports.host import HostAddress

CONFIG_VARIABLE = "DEVBOX_SSH_CONFIG"
"""Names another ssh_config than ~/.ssh/config (as `ssh -F` takes it)."""
DEFAULT_TIMEOUT = 10.0
_DEFAULT_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
_MANY = ("identityfile", "certificatefile")

Settings = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Target:
    """One host to connect to, and how. Paths are absolute, `jumps` are names to resolve in turn."""

    address: HostAddress
    key_alias: str = ""
    """The name under which known_hosts has the host's key (HostKeyAlias), else ""."""
    identities: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    identities_only: bool = False
    agent: str = ""
    known_hosts: tuple[str, ...] = ()
    global_known_hosts: tuple[str, ...] = ()
    jumps: tuple[str, ...] = ()
    proxy_command: str = ""
    timeout: float = DEFAULT_TIMEOUT
    family: socket.AddressFamily = socket.AF_UNSPEC

    @property
    def known_as(self) -> str:
        """The name in known_hosts: the alias as it is, else `host` or `[host]:port` (sshd(8))."""
        if self.key_alias:
            return self.key_alias
        host, port = self.address.hostname.lower(), self.address.port
        return host if port == 22 else f"[{host}]:{port}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was typed: an alias or host name, perhaps with a user and a port."""

    host: str
    user: str = ""
    port: int = 0


_URL = re.compile(r"ssh://(?:(?P<user>[^@/]+)@)?(?P<host>\[[^\]]+\]|[^:/]+)(?::(?P<port>\d+))?/?")
_BRACKETED = re.compile(r"(?:(?P<user>[^@]+)@)?(?P<host>\[[^\]]+\])(?::(?P<port>\d+))?")
_PLAIN = re.compile(r"(?:(?P<user>.+)@)?(?P<host>[^@:/\s]+)(?::(?P<port>\d+))?")
_IPV6 = re.compile(r"(?:(?P<user>[^@]+)@)?(?P<host>[0-9a-fA-F:.]+:[0-9a-fA-F:.]*(?:%\w+)?)(?P<port>)")


def parse(name: str) -> Wanted:
    """`[USER@]HOST[:PORT]`, `ssh://[USER@]HOST[:PORT]`, IPv6 with or without brackets, or an alias."""
    text = name.strip()
    patterns = (_URL, _BRACKETED, _PLAIN, _IPV6)
    found = next((match for pattern in patterns if (match := pattern.fullmatch(text))), None)
    if found is None or found["host"].startswith("-") or (found["user"] or "").startswith("-"):
        raise UsageError(
            f"{name!r} is not a host",
            why="a host is [USER@]HOST, ssh://[USER@]HOST:PORT or an alias of ~/.ssh/config",
        )
    port = int(found["port"] or 0)
    if port > 65535:
        raise UsageError(f"{name!r} has no such port", why="ports go from 1 to 65535")
    return Wanted(found["host"].strip("[]"), found["user"] or "", port)


def resolve(name: str) -> Target:
    """Everything OpenSSH's configuration says about `name`."""
    if not name.strip():
        raise UsageError(
            "no host is given",
            next_steps=["devbox init USER@HOST", "or write `host: USER@HOST` into devbox.yaml"],
        )
    wanted = parse(name)
    settings = _from_client(wanted, name) if command.available("ssh") else _from_file(wanted)
    return _target(name, wanted, settings)


def _from_client(wanted: Wanted, name: str) -> Settings:
    argv = ["ssh", "-G"]
    config = os.environ.get(CONFIG_VARIABLE)
    argv += ["-F", config] if config else []
    argv += ["-l", wanted.user] if wanted.user else []
    argv += ["-p", str(wanted.port)] if wanted.port else []
    answer = command.run([*argv, "--", wanted.host])
    if not answer.ok:
        raise HostUnreachable(
            "OpenSSH cannot make sense of it", where=name, why=answer.err.strip() or answer.out.strip()
        )
    settings: dict[str, list[str]] = {}
    for line in answer.out.splitlines():
        key, _, value = line.partition(" ")
        settings.setdefault(key.lower(), []).append(value)
    return settings


def _from_file(wanted: Wanted) -> Settings:
    path = Path(os.environ.get(CONFIG_VARIABLE) or Path.home() / ".ssh" / "config")
    config = paramiko.SSHConfig()
    if path.is_file():
        with contextlib.suppress(ImportError):  # left out when paramiko was loaded
            setattr(paramiko.config, "invoke", importlib.import_module("invoke"))  # noqa: B010 - not in its stubs
        config = paramiko.SSHConfig.from_path(str(path))
    found = config.lookup(wanted.host)
    settings = {key: list(found[key]) if key in _MANY else [str(found[key])] for key in found}
    settings.setdefault("identityfile", [key for key in _DEFAULT_KEYS if Path(key).expanduser().exists()])
    settings.setdefault("userknownhostsfile", ["~/.ssh/known_hosts ~/.ssh/known_hosts2"])
    settings.setdefault("globalknownhostsfile", ["/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"])
    if wanted.user:
        settings["user"] = [wanted.user]
    if wanted.port:
        settings["port"] = [str(wanted.port)]
    return settings


def _target(name: str, wanted: Wanted, settings: Settings) -> Target:
    def one(key: str, default: str = "") -> str:
        value = settings.get(key, [default])[0]
        return "" if value.lower() == "none" else value

    address = HostAddress(
        name,
        one("user") or getpass.getuser(),
        one("hostname") or wanted.host,
        int(one("port") or 22),
    )
    tokens = _tokens(wanted, address, one("hostkeyalias"))
    files = {key: _files(settings.get(key, ()), tokens) for key in _MANY}
    return Target(
        address,
        key_alias=one("hostkeyalias"),
        identities=files["identityfile"],
        certificates=files["certificatefile"],
        identities_only=one("identitiesonly") == "yes",
        agent=_agent(one("identityagent", "SSH_AUTH_SOCK"), tokens),
        known_hosts=_files(one("userknownhostsfile").split(), tokens),
        global_known_hosts=_files(one("globalknownhostsfile").split(), tokens),
        jumps=tuple(jump.strip() for jump in one("proxyjump").split(",") if jump.strip()),
        proxy_command=_fill(one("proxycommand"), tokens),
        timeout=float(one("connecttimeout") or DEFAULT_TIMEOUT),
        family=_FAMILIES.get(one("addressfamily"), socket.AF_UNSPEC),
    )


_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}


def _tokens(wanted: Wanted, address: HostAddress, alias: str) -> Mapping[str, str]:
    """The TOKENS of ssh_config(5) that files and proxy commands may use."""
    local = socket.gethostname()
    return {
        "%%": "%",
        "%d": str(Path.home()),
        "%h": address.hostname,
        "%i": str(os.getuid()),
        "%k": alias or wanted.host,
        "%L": local.partition(".")[0],
        "%l": local,
        "%n": wanted.host,
        "%p": str(address.port),
        "%r": address.user,
        "%u": getpass.getuser(),
    }


def _fill(text: str, tokens: Mapping[str, str]) -> str:
    return re.sub(r"%.", lambda found: tokens.get(found[0], found[0]), text)


def _files(names: list[str] | tuple[str, ...], tokens: Mapping[str, str]) -> tuple[str, ...]:
    filled = [_fill(os.path.expandvars(one.strip('"')), tokens) for one in names]
    return tuple(os.path.expanduser(one) for one in filled if one and one.lower() != "none")


def _agent(value: str, tokens: Mapping[str, str]) -> str:
    """The agent's socket: `SSH_AUTH_SOCK` names the variable, `$X` another one, else it is a path."""
    if value == "SSH_AUTH_SOCK":
        return os.environ.get("SSH_AUTH_SOCK", "")
    if value.startswith("$"):
        return os.environ.get(value[1:], "")
    return os.path.expanduser(_fill(value, tokens))
