"""Reading the answer of the facts script. The script says KEY=VALUE lines; here they become `Facts`."""

from __future__ import annotations

import base64
import binascii
import re
import shlex
from collections.abc import Iterable, Sequence

from devbox.errors import HostError
from devbox.host.model import Facts, File
from devbox.host.parts import Engine, Listener, Pending, Root, Unit
from devbox.ports.host import Privilege, Script
from devbox.rendering import templates_dir

FORMAT = "1"
_PROCESS = re.compile(r'"(?P<program>[^"]+)",pid=(?P<pid>\d+)')
_VIRTUAL = ("docker", "br-", "veth", "virbr", "cni", "podman")


def script(roots: Sequence[str], privilege: Privilege) -> Script:
    """The facts script for these remote roots."""
    calls = "; ".join(f"root {shlex.quote(path)}" for path in roots)
    body = (templates_dir() / "host" / "facts.sh").read_text(encoding="utf-8")
    return Script(f"roots() {{ {calls or ':'}; }}\n{body}", privilege=privilege)


def parse(lines: Iterable[str]) -> Facts:
    """The facts that the lines say; an answer without its end is a `HostError`."""
    said = _Said()
    for line in lines:
        key, separator, value = line.partition("=")
        if separator:
            said.values.setdefault(key, []).append(value)
    if said.one("format") != FORMAT or not said.one("end"):
        raise HostError(
            "the host's answer about itself is incomplete",
            why=f"{len(said.values)} kinds of facts, no end mark",
        )
    return Facts(
        user=said.one("user"),
        uid=said.number("uid"),
        gid=said.number("gid"),
        home=said.one("home"),
        as_root=said.flag("root_now"),
        clock=said.number("clock"),
        hostname=said.one("hostname"),
        fqdn=said.one("fqdn"),
        init=said.one("init"),
        systemd=said.number("systemd"),
        os=said.under("os."),
        addresses=_addresses(said.all("address")),
        dockerd=said.one("dockerd"),
        dockerd_version=said.one("dockerd_version"),
        shims=_shims(said),
        socket=said.one("socket"),
        socket_open=said.flag("socket_open"),
        service=_unit(said, "service."),
        socket_unit=_unit(said, "socket."),
        files=_files(said),
        engine=_engine(said),
        containers=_containers(said),
        listeners=tuple(found for text in said.all("listen") if (found := _listener(text))),
        firewalls=_firewalls(said),
        nft_chains=_nft_chains(said),
        client=said.one("client"),
        disk_free=said.number("disk_free_kb", -1) * 1024,
        roots=tuple(
            Root(path, state) for state, _, path in (text.partition(" ") for text in said.all("root"))
        ),
        pending=_pending(said),
        last=said.under("last."),
    )


class _Said:
    """The lines by key; a key may be said many times."""

    def __init__(self) -> None:
        self.values: dict[str, list[str]] = {}

    def all(self, key: str) -> tuple[str, ...]:
        return tuple(self.values.get(key, ()))

    def one(self, key: str) -> str:
        return self.values.get(key, [""])[0]

    def flag(self, key: str) -> bool:
        return self.one(key) == "yes"

    def number(self, key: str, default: int = 0) -> int:
        text = self.one(key)
        return int(text) if text.isdigit() else default

    def under(self, prefix: str) -> dict[str, str]:
        return {key[len(prefix) :]: found[0] for key, found in self.values.items() if key.startswith(prefix)}


def _shims(said: _Said) -> tuple[str, ...]:
    """What stands where a dockerd of the system's own is expected."""
    desktop = (
        ("desktop",) if said.one("engine.os") == "Docker Desktop" or said.one("system") == "Darwin" else ()
    )
    return (*desktop, *said.all("shim"))


def _addresses(texts: Iterable[str]) -> tuple[str, ...]:
    """The host's own addresses, without those of container networks."""
    pairs = (text.split() for text in texts)
    return tuple(pair[1] for pair in pairs if len(pair) == 2 and not pair[0].startswith(_VIRTUAL))


def _unit(said: _Said, prefix: str) -> Unit:
    values = said.under(prefix)
    pid = values.get("MainPID", "0")
    return Unit(
        load_state=values.get("LoadState", "not-found"),
        active_state=values.get("ActiveState", "inactive"),
        file_state=values.get("UnitFileState", ""),
        fragment=values.get("FragmentPath", ""),
        drop_ins=tuple(values.get("DropInPaths", "").split()),
        environment_files=tuple(
            text.rpartition(" (")[0] or text for text in said.all(f"{prefix}EnvironmentFiles") if text
        ),
        main_pid=int(pid) if pid.isdigit() else 0,
        triggered_by=tuple(values.get("TriggeredBy", "").split()),
    )


def _files(said: _Said) -> dict[str, File]:
    files = {}
    for text in said.all("file"):
        mode, owner, content, path = text.split(" ", 3)
        files[path] = File(path, int(mode, 8), owner, _content(content))
    for text in said.all("secret"):
        mode, owner, sha256, path = text.split(" ", 3)
        files[path] = File(path, int(mode, 8), owner, None, sha256)
    return files


def _content(text: str) -> bytes | None:
    if text in ("-", "="):
        return None if text == "-" else b""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise HostError("a file arrived damaged from the host", why=str(error)) from error


def _engine(said: _Said) -> Engine:
    values = said.under("engine.")
    return Engine(
        id=values.get("id", ""),
        version=values.get("version", ""),
        live_restore=values.get("live_restore") == "true",
    )


def _containers(said: _Said) -> dict[str, str]:
    """Running containers, by what the daemon says and by the shims that hold them."""
    found = dict.fromkeys(said.all("container"), "")
    for text in said.all("running"):
        identity, _, name = text.partition(" ")
        found[identity] = name
    return found


def _nft_chains(said: _Said) -> tuple[tuple[str, str, str], ...]:
    words = (tuple(text.split()) for text in said.all("nft_chain"))
    return tuple(dict.fromkeys((one[0], one[1], one[2]) for one in words if len(one) == 3))


def _firewalls(said: _Said) -> tuple[str, ...]:
    """What stands before the port: tables that iptables keeps are told of as iptables."""
    own = {"ip filter INPUT": "iptables", "ip6 filter INPUT": "ip6tables"}
    chains = [own.get(" ".join(chain), "nftables") for chain in _nft_chains(said)]
    return tuple(dict.fromkeys([*said.all("firewall"), *chains]))


def _listener(text: str) -> Listener | None:
    """`0.0.0.0:22 users:(("sshd",pid=1,fd=3))`, `[::]:22 …`, `*:22` as `ss -Hltnp` has them."""
    local, _, process = text.partition(" ")
    address, _, port = local.rpartition(":")
    if not port.isdigit():
        return None
    match = _PROCESS.search(process)
    program, pid = (match["program"], int(match["pid"])) if match else ("", 0)
    return Listener(address.strip("[]").partition("%")[0], int(port), program, pid)


def _pending(said: _Said) -> Pending | None:
    values = said.under("pending.")
    if "id" not in values:
        return None
    started = values.get("started", "")
    return Pending(
        values["id"],
        values.get("owner", ""),
        values.get("client", ""),
        int(started) if started.isdigit() else 0,
    )
