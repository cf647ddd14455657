"""Hosts whose dockerd asks nobody for a certificate, whatever opened the port: reported and secured."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from devbox.host import pki
from tests.host.desk import Desk

pytestmark = pytest.mark.host

_VENDOR = "/lib/systemd/system/docker.service"
_DROP_INS = "/etc/systemd/system/docker.service.d"
_SETTINGS = "/etc/docker/daemon.json"
_RESTART = "systemctl daemon-reload; systemctl restart docker.service"


# Without this word dockerd waits for a quarter of a minute before it opens the port, as in the first test.
_AT_ONCE = "--tls=false"


def secured(desk: Desk) -> str:
    """`init` reports the open root port and closes it, a second one has nothing to do; the files before."""
    before = desk.snapshot()
    anybody = subprocess.run(["curl", "-s", f"http://{desk.host.address}:2376/version"], capture_output=True)
    assert b"ApiVersion" in anybody.stdout, "the port is not open to begin with"
    said = desk.init()
    assert "OPEN ROOT PORT: dockerd asks nobody for a certificate on tcp://0.0.0.0:2376" in said
    for check in ("without a certificate", "with a foreign certificate", "in plain HTTP"):
        assert f"ok  {check}" in said
    assert "nothing to do" in desk.init()
    return before


def closed_for_good(desk: Desk, before: str, opened: str) -> None:
    """`reset` does not open the root port again, and dockerd runs without it; every file but the one that
    opened it is as it was."""
    assert "does not get back what opened a root port" in desk.devbox("host", "reset", "--yes")
    assert desk.host.sh("ss -Hltn sport = :2376") == ""
    assert desk.host.sh("docker -H unix:///var/run/docker.sock version -f ok") == "ok\n"
    changed = set(desk.snapshot().splitlines()) ^ set(before.splitlines())
    assert {line.split()[-1] for line in changed} == {opened}


def test_the_recipe_in_the_unit_file(desk: Desk) -> None:
    desk.host.sh(
        f"cp -p {_VENDOR} /root/vendor.service;"
        f"sed -i 's|-H fd://|-H tcp://0.0.0.0:2376 -H unix:///var/run/docker.sock|' {_VENDOR}; {_RESTART}"
    )
    try:
        report = desk.devbox("doctor", "--host", desk.host.name, code=1)
        assert "broken at no open root port: everybody is root at tcp://0.0.0.0:2376" in report
        before = secured(desk)
        assert "tcp://0.0.0.0:2376" not in desk.host.sh(f"cat {_VENDOR}")
        closed_for_good(desk, before, _VENDOR)
    finally:
        desk.host.sh(f"cp -p /root/vendor.service {_VENDOR}; rm /root/vendor.service")


def test_the_recipe_in_an_override(desk: Desk) -> None:
    command = f"/usr/sbin/dockerd -H fd:// -H tcp://0.0.0.0:2376 {_AT_ONCE}"
    override = f"[Service]\\nExecStart=\\nExecStart={command}\\n"
    desk.host.sh(f"mkdir {_DROP_INS}; printf '{override}' >{_DROP_INS}/override.conf; {_RESTART}")
    before = secured(desk)
    closed_for_good(desk, before, f"{_DROP_INS}/override.conf")
    assert "tcp:" not in desk.host.sh(f"cat {_DROP_INS}/override.conf")


def test_in_the_variables_that_debians_unit_reads(desk: Desk) -> None:
    defaults = "/etc/default/docker"
    options = f'DOCKER_OPTS="-H tcp://0.0.0.0:2376 {_AT_ONCE} --dns 192.0.2.1"'
    desk.host.sh(f"cp -p {defaults} /root/defaults; echo '{options}' >>{defaults}; {_RESTART}")
    try:
        before = secured(desk)
        assert 'DOCKER_OPTS="--dns 192.0.2.1"' in desk.host.sh(f"cat {defaults}")
        running = desk.host.sh("tr '\\0' ' ' </proc/$(pidof dockerd)/cmdline")
        assert "--dns 192.0.2.1 -H tcp://0.0.0.0:2376 --tlsverify" in running
        closed_for_good(desk, before, defaults)
    finally:
        desk.host.sh(f"cp -p /root/defaults {defaults}; rm /root/defaults; {_RESTART}")


def test_in_daemon_json_and_its_other_addresses_move_to_the_drop_in(desk: Desk) -> None:
    hosts = ["unix:///var/run/docker.sock", "unix:///var/run/other.sock", "tcp://0.0.0.0:2376"]
    settings = {"hosts": hosts, "log-level": "warn", "tls": False}
    _configured(desk, settings)
    before = secured(desk)
    assert json.loads(desk.host.sh("cat /etc/docker/daemon.json")) == {"log-level": "warn"}
    assert "unix:///var/run/other.sock" in desk.host.sh("systemctl cat docker.service")
    closed_for_good(desk, before, _SETTINGS)
    local = {"hosts": hosts[:2], "log-level": "warn"}
    assert json.loads(desk.host.sh("cat /etc/docker/daemon.json")) == local
    assert desk.host.sh("docker -H unix:///var/run/other.sock version -f ok") == "ok\n"


def test_with_tls_keys_in_daemon_json_that_let_every_authoritys_clients_in(desk: Desk) -> None:
    """Without a CA, `tlsverify` takes the certificate of whomever the host's own bundle knows."""
    pair = pki.issue(pki.new_authority("box", time.time()), pki.Use.SERVER, "box", time.time())
    for name, data in (("cert", pair.cert), ("key", pair.key)):
        desk.host.shell("sh", "-c", f"cat >/etc/docker/{name}.pem", stdin=data)
    settings = {
        "hosts": ["unix:///var/run/docker.sock", "tcp://0.0.0.0:2376"],
        "tlsverify": True,
        "tlscert": "/etc/docker/cert.pem",
        "tlskey": "/etc/docker/key.pem",
        "debug": False,
    }
    _configured(desk, settings)
    before = desk.snapshot()
    said = desk.init()
    assert "OPEN ROOT PORT" in said
    assert json.loads(desk.host.sh("cat /etc/docker/daemon.json")) == {"debug": False}
    assert "nothing to do" in desk.init()
    closed_for_good(desk, before, _SETTINGS)
    desk.host.sh("rm /etc/docker/cert.pem /etc/docker/key.pem")


def _configured(desk: Desk, settings: dict[str, object]) -> None:
    """dockerd without addresses on its command line, and daemon.json like this."""
    plain = "[Service]\\nExecStart=\\nExecStart=/usr/sbin/dockerd\\n"
    desk.host.sh(f"mkdir {_DROP_INS}; printf '{plain}' >{_DROP_INS}/override.conf")
    desk.host.sh(f"echo '{json.dumps(settings)}' >/etc/docker/daemon.json; {_RESTART}")
