"""Facts as hosts gave them, shortened: the starting point of tests that decide without a host."""

from __future__ import annotations

import base64

from devbox.host.facts import parse
from devbox.host.model import Facts

VENDOR = "/lib/systemd/system/docker.service"
UNIT = """[Unit]
Requires=docker.socket

[Service]
Type=notify
EnvironmentFile=-/etc/default/docker
ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS
ExecReload=/bin/kill -s HUP $MAINPID
"""


def file_line(path: str, text: str, mode: str = "644") -> str:
    """One `file=` line of the facts script."""
    return f"file={mode} 0:0 {base64.b64encode(text.encode()).decode() or '='} {path}"


def bookworm(*more: str, unit: str = UNIT, drop_ins: str = "", without: str = "") -> Facts:
    """Debian 12 with its own docker.io; `more` lines are added, those that start with `without` left out."""
    lines = [
        "format=1",
        "user=dev",
        "uid=1000",
        "gid=1000",
        "home=/home/dev",
        "root_now=yes",
        "clock=1750000000",
        "hostname=box",
        "fqdn=box.example.org",
        "init=systemd",
        "systemd=252",
        "os.ID=debian",
        "os.PRETTY_NAME=Debian GNU/Linux 12 (bookworm)",
        "address=eth0 10.0.0.200",
        "address=docker0 172.17.0.1",
        "dockerd=/usr/sbin/dockerd",
        "dockerd_version=Docker version 20.10.24+dfsg1, build 5d6db84",
        "service.LoadState=loaded",
        "service.ActiveState=active",
        f"service.FragmentPath={VENDOR}",
        f"service.DropInPaths={drop_ins}",
        "service.MainPID=700",
        "service.TriggeredBy=docker.socket",
        "socket.LoadState=loaded",
        "socket.ActiveState=active",
        "socket.FragmentPath=/lib/systemd/system/docker.socket",
        file_line(VENDOR, unit),
        file_line("/lib/systemd/system/docker.socket", "[Socket]\nListenStream=/run/docker.sock\n"),
        'listen=0.0.0.0:22 users:(("sshd",pid=1,fd=3))',
        *more,
        "end=1",
    ]
    return parse(line for line in lines if not (without and line.startswith(without)))
