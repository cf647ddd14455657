"""IPv6: a rehearsal host is published over IPv4 only, so these knock from inside its own network."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.host.desk import REPOSITORY, Desk
from tests.rehearsal.daemon import docker

pytestmark = pytest.mark.host

_KNOCK = """
import json, sys
from pathlib import Path
from devbox.adapters.tlsprobe import TlsProbe
from devbox.host import prove
from devbox.host.prove import Door
keys, address = Path(sys.argv[1]), sys.argv[2]
found = prove.run(prove.checks(Door(address, 2376, address, keys, keys), TlsProbe()))
print(json.dumps({name: [one.verdict.value, one.evidence] for name, one in found}))
"""
_SIX = (
    "echo 0 >/proc/sys/net/ipv6/conf/all/disable_ipv6; echo 0 >/proc/sys/net/ipv6/conf/lo/disable_ipv6;"
    "ip -6 addr add 2001:db8::5/64 dev eth0 nodad"
)


def knock(desk: Desk, address: str) -> dict[str, list[str]]:
    """The proofs at that address, from inside the host's network. Needs root here, as the bench does.

    The foreign certificate is ours here: that one is proved from outside.
    """
    pid = docker("inspect", "-f", "{{.State.Pid}}", desk.host.container).stdout.strip()
    words = [
        "nsenter",
        "-t",
        pid,
        "-n",
        sys.executable,
        "-c",
        _KNOCK,
        str(desk.keys),
        address,
    ]
    if os.geteuid():
        words = ["sudo", "-n", f"PYTHONPATH={REPOSITORY}", *words]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_both_families_let_us_in_and_nobody_else(desk: Desk) -> None:
    before = desk.snapshot()
    desk.host.sh(_SIX)
    try:
        assert "-H tcp://[::]:2376" in desk.init()
        for address in ("2001:db8::5", "::1", desk.host.inner, "127.0.0.1"):
            found = knock(desk, address)
            assert found["with our certificate"][0] == "ok", found
            assert found["without a certificate"][0] == "ok", found
            assert found["in plain HTTP"][0] == "ok", found
        assert "nothing to do" in desk.init()
        desk.reset_to(before)
    finally:
        desk.host.sh("ip -6 addr del 2001:db8::5/64 dev eth0")
