"""The error dictionary: what Docker's own command line says, and what `devbox doctor` makes of it.

Each row is provoked for real at one prepared host, by spoiling what the row is about and nothing else. Rows
of SSH are in tests/road/test_bad_luck_ssh.py, of settings that dockerd does not take in test_bad_luck.py.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from devbox.host import pki
from devbox.host.pki import Pair, Use
from tests.host.desk import Desk

pytestmark = pytest.mark.host

_FOLDER, _DROP_IN = "/etc/docker/devbox", "/etc/systemd/system/docker.service.d/50-devbox.conf"
_DAY = 86400.0
_DROP = "iptables -I INPUT -p tcp --dport 2376 -j"
_OPEN = "iptables -F INPUT"
_RESTART = "systemctl reset-failed docker.service; systemctl daemon-reload; systemctl restart docker.service"
_WEB = """import socket
s = socket.create_server(('0.0.0.0', 2376))
while True:
    c = s.accept()[0]
    c.recv(9)
    c.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\n')
    c.close()
"""
_DENY = """import os, socket
os.makedirs('/run/docker/plugins', exist_ok=True)
s = socket.socket(socket.AF_UNIX)
s.bind('/run/docker/plugins/deny.sock')
s.listen()
while True:
    c = s.accept()[0]
    asked = c.recv(65536)
    said = '{"Implements": ["authz"]}' if b'Activate' in asked else '{"Allow": false, "Msg": "not for you"}'
    head = f'HTTP/1.1 200 OK\\r\\nContent-Length: {len(said)}\\r\\nConnection: close\\r\\n\\r\\n'
    c.sendall(f'{head}{said}'.encode())
    c.close()
"""


@dataclass(frozen=True)
class Row:
    """`docker`: words of the Docker CLI's error; `link`, `evidence`, `fix`: what `doctor` says.

    Without words the Docker CLI is not asked: it waits for half a minute, and then says one of two things.
    """

    name: str
    spoil: str | Callable[[Desk], None]
    back: str
    docker: str
    link: str
    evidence: str
    fix: str


def shows(days: float = 0, names: tuple[str, ...] = (), stranger: bool = False) -> Callable[[Desk], None]:
    """The daemon shows another certificate than the one that it was given."""

    def spoil(desk: Desk) -> None:
        issuer = pki.new_authority("box", time.time()) if stranger else _authority(desk)
        moment, wanted = time.time() + days * _DAY, names or (desk.host.inner,)
        pair = pki.issue(issuer, Use.SERVER, "box", moment, wanted)
        _place(desk, {"cert.pem": pair.cert, "key.pem": pair.key})

    return spoil


def takes_others(desk: Desk) -> None:
    """The daemon lets in the clients of another authority."""
    _place(desk, {"ca.pem": pki.new_authority("box", time.time()).cert})


def our_own(days: float) -> Callable[[Desk], None]:
    """Our own certificate is from another time, here and in the Docker context."""

    def spoil(desk: Desk) -> None:
        pair = pki.issue(_authority(desk), Use.CLIENT, "me", time.time() + days * _DAY)
        for name, data in {"cert.pem": pair.cert, "key.pem": pair.key}.items():
            for path in (desk.keys / name, *desk.folder.glob(f"docker/contexts/tls/*/docker/{name}")):
                path.write_bytes(data)

    return spoil


def _authority(desk: Desk) -> Pair:
    return Pair((desk.keys / "ca.pem").read_bytes(), (desk.keys / "ca-key.pem").read_bytes())


def _place(desk: Desk, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        desk.host.shell("sh", "-c", f"cat >{_FOLDER}/{name}", stdin=data)
    desk.host.sh(_RESTART)


_CERTIFICATES = f"cp -p /root/kept/* {_FOLDER}"
_AUTHORITY = "it shows a certificate of another authority: devbox init"
_TLS = "with our certificate"
ROWS = (
    Row("filtered", f"{_DROP} DROP", _OPEN, "", "the TLS port", "timed out", "--open-firewall"),
    Row(
        "forbidden",
        f"{_DROP} REJECT --reject-with icmp-host-prohibited",
        _OPEN,
        "no route to host",
        "the TLS port",
        "No route to host",
        "--open-firewall",
    ),
    Row(
        "refused",
        f"{_DROP} REJECT",
        _OPEN,
        "Cannot connect to the Docker daemon at tcp:",
        "the TLS port",
        "Connection refused",
        "devbox init   (dockerd does not listen there, or a firewall refuses",
    ),
    Row(
        "the daemon's certificate expired",
        shows(-pki.LEAF_DAYS - 2),
        _CERTIFICATES,
        "certificate has expired or is not yet valid",
        _TLS,
        "certificate has expired",
        "devbox host renew",
    ),
    Row(
        "the daemon's certificate early",
        shows(2),
        _CERTIFICATES,
        "certificate has expired or is not yet valid",
        _TLS,
        "certificate is not yet valid",
        "devbox host renew, and set the clocks right",
    ),
    Row(
        "for another name",
        shows(names=("192.0.2.1",)),
        _CERTIFICATES,
        "certificate is valid for 192.0.2.1, not",
        _TLS,
        "IP address mismatch",
        "devbox host renew   (makes a certificate for this name too)",
    ),
    Row(
        "of another authority",
        shows(stranger=True),
        _CERTIFICATES,
        "certificate signed by unknown authority",
        _TLS,
        "certificate is not trusted",
        _AUTHORITY,
    ),
    Row(
        "takes another authority's clients",
        takes_others,
        f"{_CERTIFICATES}; {_RESTART}",
        "the server probably has client authentication (--tlsverify) enabled",
        _TLS,
        "bad certificate",
        "it takes certificates of another authority: devbox init",
    ),
    Row(
        "our certificate expired",
        our_own(-pki.LEAF_DAYS - 2),
        "",
        "remote error: tls: bad certificate",
        _TLS,
        "bad certificate",
        "devbox host renew   (our own certificate has expired)",
    ),
    Row(
        "our certificate early",
        our_own(2),
        "",
        "remote error: tls: bad certificate",
        _TLS,
        "bad certificate",
        "devbox host renew   (our own certificate is not valid yet)",
    ),
    Row(
        "denied by a plugin",
        f"sed -i 's|--tlsverify|--authorization-plugin=deny --tlsverify|' {_DROP_IN}; {_RESTART}",
        f"sed -i 's|--authorization-plugin=deny ||' {_DROP_IN}; {_RESTART}",
        "authorization denied by plugin deny: not for you",
        _TLS,
        "authorization denied by plugin deny: not for you",
        "ask who runs that plugin",
    ),
    Row(
        "something else on the port",
        f"sed -i s/:2376/:2377/ {_DROP_IN}; {_RESTART}; systemctl start web",
        f"systemctl stop web; sed -i s/:2377/:2376/ {_DROP_IN}; systemctl daemon-reload",
        "server gave HTTP response to HTTPS client",
        _TLS,
        "wrong version number",
        "what listens there does not speak TLS",
    ),
    Row(
        "stopped",
        "systemctl stop docker.socket docker.service",
        "systemctl start docker.socket docker.service",
        "Cannot connect to the Docker daemon at tcp:",
        "dockerd runs",
        "docker.service is inactive",
        "sudo systemctl start docker.service",
    ),
)


@pytest.fixture
def prepared(desk: Desk) -> tuple[Desk, str]:
    """A prepared host, called by its own address: a published port accepts whatever is behind it; and how
    its files were before."""
    former = desk.snapshot()
    config = desk.folder / "ssh_config"
    inner = f"  HostName {desk.host.inner}\n  HostKeyAlias {desk.host.address}"
    config.write_text(config.read_text().replace(f"  HostName {desk.host.address}", inner))
    for name, program in {"web": _WEB, "deny": _DENY}.items():
        desk.host.shell("sh", "-c", f"cat >/run/{name}.py", stdin=program.encode())
        unit = f"[Service]\\nExecStart=/usr/bin/python3 /run/{name}.py\\n"
        desk.host.sh(f"printf '{unit}' >/run/systemd/system/{name}.service")
    desk.host.sh("systemctl daemon-reload; systemctl start deny")
    desk.init()
    desk.host.sh(f"cp -rp {_FOLDER} /root/kept")
    return desk, former


def test_every_row_is_provoked_and_said(prepared: tuple[Desk, str]) -> None:
    desk, former = prepared
    wrong: list[str] = []
    before = desk.host.sh(f"sha256sum {_FOLDER}/* {_DROP_IN}")
    for row in ROWS:
        if callable(row.spoil):
            row.spoil(desk)
        else:
            desk.host.sh(row.spoil)
        said = _doctor(desk) | ({"docker": _docker(desk)} if row.docker else {})
        wrong += [
            f"{row.name}: {key} says {text!r}"
            for key, text in said.items()
            if getattr(row, key) not in text or not text
        ]
        desk.host.sh(row.back)
        if not row.back:
            assert "wrote Docker context" in desk.init(), "our new certificate goes there, too"
    assert wrong == []
    assert desk.host.sh(f"sha256sum {_FOLDER}/* {_DROP_IN}") == before
    assert _doctor(desk)["link"] == ""
    desk.reset_to(former)
    desk.host.sh("systemctl stop deny; rm -r /root/kept /run/*.py /run/systemd/system/web.service")


def _docker(desk: Desk) -> str:
    """What the CLI says. In TLS 1.3 a refused client may have sent its request before it hears of that, and
    then says that the connection was reset: it is asked again."""
    argv = ["docker", "--context", f"devbox-{desk.host.name}", "version"]
    for _ in range(20):
        done = subprocess.run(argv, env=desk.environment, capture_output=True, text=True, timeout=120)
        if "reset by peer" not in done.stderr and "broken pipe" not in done.stderr:
            break
    return done.stderr


def _doctor(desk: Desk) -> dict[str, str]:
    out, _ = desk.start("doctor", "--json").communicate(timeout=120)
    report: dict[str, Any] = json.loads(out)
    found = next((one for one in report["checks"] if one["name"] == report["broken"]), {})
    return {"link": found.get("name", ""), "evidence": found.get("evidence", ""), "fix": found.get("fix", "")}
