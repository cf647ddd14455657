"""Hosts as they are found: how Docker is started there, and what runs there, is kept."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.host.desk import Desk

pytestmark = pytest.mark.host

_VENDOR = "/lib/systemd/system/docker.service"
# The unit file of Docker's own packages (docker-ce), as they install it.
_DOCKER_CE = f"""cp -p {_VENDOR} /root/vendor.service; cat >{_VENDOR} <<'X'
[Unit]
Description=Docker Application Container Engine
Documentation=https://docs.docker.com
After=network-online.target docker.socket firewalld.service containerd.service time-set.target
Wants=network-online.target containerd.service
Requires=docker.socket

[Service]
Type=notify
# the default is not to use systemd for cgroups because the delegate issues still
# exists and systemd currently does not support the cgroup feature set required
# for containers run by docker
ExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock
ExecReload=/bin/kill -s HUP $MAINPID
TimeoutStartSec=0
RestartSec=2
Restart=always
StartLimitBurst=3
StartLimitInterval=60s
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
Delegate=yes
KillMode=process
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
X
systemctl daemon-reload && systemctl restart docker.service"""


@contextmanager
def setup(desk: Desk, script: str, back: str) -> Iterator[None]:
    """The host set up like this meanwhile."""
    desk.host.sh(script)
    try:
        yield
    finally:
        desk.host.sh(back, check=False)


def test_docker_ces_unit_with_live_restore_and_a_running_container(desk: Desk) -> None:
    settings = json.dumps({"live-restore": True, "log-driver": "local"})
    image = desk.host.sh("docker image ls -q | head -1").strip()
    script = (
        f"ln -sf /usr/sbin/dockerd /usr/bin/dockerd; echo '{settings}' >/etc/docker/daemon.json; {_DOCKER_CE}"
    )
    vendor = f"cp -p /root/vendor.service {_VENDOR}; rm -f /usr/bin/dockerd /root/vendor.service"
    back = f"docker rm -f keeper; {vendor}"
    with setup(desk, script, back):
        before = desk.snapshot()
        pid = desk.host.sh(
            f"docker run -d --stop-timeout 1 --name keeper {image} sleep 600 >/dev/null; pidof sleep"
        )
        said = desk.init()
        assert "live-restore is on: containers keep running" in said
        assert (
            "+ExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock -H tcp" in said
        )
        assert desk.host.sh("pidof sleep") == pid, "the container was restarted"
        assert json.loads(desk.host.sh("cat /etc/docker/daemon.json")) == json.loads(settings)
        desk.devbox("host", "reset", "--yes")
        assert desk.host.sh("pidof sleep") == pid
        assert desk.snapshot() == before


def test_without_socket_activation_and_with_an_earlier_drop_in(desk: Desk) -> None:
    drop_in = "/etc/systemd/system/docker.service.d/10-debug.conf"
    script = (
        "systemctl disable -q --now docker.socket; mkdir -p /etc/systemd/system/docker.service.d;"
        f"printf '[Unit]\\nRequires=\\n[Service]\\nExecStart=\\nExecStart=/usr/sbin/dockerd --debug "
        f"-H unix:///var/run/docker.sock\\n' >{drop_in};"
        "systemctl daemon-reload; systemctl restart docker.service"
    )
    with setup(desk, script, f"rm -f {drop_in}; systemctl daemon-reload; systemctl enable -q docker.socket"):
        before = desk.snapshot()
        desk.init()
        running = desk.host.sh("tr '\\0' ' ' </proc/$(pidof dockerd)/cmdline")
        assert running.startswith("/usr/sbin/dockerd --debug -H unix:///var/run/docker.sock -H tcp://")
        assert "50-devbox.conf" in desk.host.sh("systemctl show -p DropInPaths docker.service")
        assert "nothing to do" in desk.init()
        desk.devbox("host", "reset", "--yes")
        assert desk.snapshot() == before


def test_what_did_not_run_before_does_not_run_after_it_was_put_back(desk: Desk) -> None:
    script = "systemctl disable -q docker.service; systemctl stop docker.socket docker.service"
    back = "systemctl enable -q docker.service docker.socket"
    with setup(desk, script, back):
        before, units = desk.snapshot(), desk.units()
        assert units == ["inactive", "inactive", "disabled", "enabled"]
        assert "docker.service is not started at boot" in desk.init()
        assert desk.units() == ["active", "active", "disabled", "enabled"]
        assert "dockerd stopped: it did not run before devbox" in desk.reset_to(before)
        assert desk.units() == units

        desk.host.sh("systemctl start docker.socket")
        units = desk.units()
        running = desk.start("init", desk.host.name, "--yes")
        assert running.stderr is not None
        assert any("dockerd restarted" in line for line in running.stderr)
        running.send_signal(signal.SIGINT)
        assert "putting the host back" in running.communicate(timeout=120)[1]
        assert (desk.snapshot(), desk.units()) == (before, units), "a change taken back"

        desk.init()
        image = desk.host.sh("docker image ls -q | head -1").strip()
        desk.host.sh(f"docker run -d --stop-timeout 1 --name keeper {image} sleep 600")
        said = desk.reset_to(before)
        assert "is left running for the containers that run now" in said
        assert desk.host.sh("docker ps --format '{{.Names}}'; docker rm -f keeper") == "keeper\nkeeper\n"
