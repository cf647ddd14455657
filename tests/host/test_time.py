"""What happens to a host in time: a restart that hangs, nobody who comes back, a reboot, a new package."""

from __future__ import annotations

import json
import time

import pytest

from tests.host.desk import Desk
from tests.rehearsal import hosts

pytestmark = pytest.mark.host

_HANGS = """cat >/usr/local/bin/dockerd-slow <<'X'
#!/bin/sh
case "$*" in *--tlsverify*) exec sleep 600 ;; esac
exec /usr/sbin/dockerd "$@"
X
chmod +x /usr/local/bin/dockerd-slow
mkdir -p /etc/systemd/system/docker.service.d
printf '[Service]\\nExecStart=\\nExecStart=/usr/local/bin/dockerd-slow -H fd://\\n' \
    >/etc/systemd/system/docker.service.d/override.conf
systemctl daemon-reload && systemctl restart docker.service"""


def test_a_restart_that_hangs_is_ended_and_taken_back(desk: Desk) -> None:
    desk.host.sh(_HANGS)
    before = desk.snapshot()
    said = desk.init("--deadline", "15", code=1)
    assert "dockerd does not start with its new settings; the host is as it was before" in said
    assert desk.snapshot() == before
    assert desk.host.sh("docker -H unix:///var/run/docker.sock version -f ok") == "ok\n"
    again = desk.devbox("init", desk.host.name, "--plan")
    assert "the last change was taken back" in again
    assert "dockerd does not start with its new settings" in again
    desk.host.sh("rm /usr/local/bin/dockerd-slow")


def _killed_after_the_restart(desk: Desk) -> None:
    running = desk.start("init", desk.host.name, "--yes", "--json", "--deadline", "15")
    assert running.stdout is not None
    for line in running.stdout:
        if json.loads(line)["data"].get("step") == "dockerd restarted":
            break
    running.kill()
    running.communicate()


def _until_taken_back(desk: Desk) -> None:
    deadline = time.monotonic() + 90
    left = "ls -d /var/lib/devbox/pending /var/lib/devbox/ended /etc/systemd/system/devbox-rollback.*"
    while desk.host.sh(f"{left} 2>/dev/null", check=False):
        assert time.monotonic() < deadline, "the timer never came"
        time.sleep(0.5)


def test_nobody_comes_back_and_the_host_takes_it_back_itself(desk: Desk) -> None:
    before = desk.snapshot()
    _killed_after_the_restart(desk)
    assert desk.host.sh("ss -Hltn sport = :2376") != ""
    _until_taken_back(desk)
    assert desk.snapshot() == before
    assert desk.host.sh("ss -Hltn sport = :2376") == ""
    assert desk.host.sh("docker -H unix:///var/run/docker.sock version -f ok") == "ok\n"
    said = desk.init()
    assert "the last change was taken back" in said
    assert "nobody proved it in time" in said


def test_a_reboot_does_not_stop_the_timer_and_a_proved_host_survives_it(desk: Desk) -> None:
    before = desk.snapshot()
    _killed_after_the_restart(desk)
    hosts.reboot(desk.host)
    _until_taken_back(desk)
    assert desk.snapshot() == before
    desk.init()
    hosts.reboot(desk.host)
    assert "nothing to do" in desk.init()
    desk.devbox("host", "reset", "--yes")
    assert desk.snapshot() == before
