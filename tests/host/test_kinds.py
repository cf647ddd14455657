"""Hosts that are no Debian with Docker Engine: recognised by what they say, and guided on."""

from __future__ import annotations

import pytest

from devbox.config.model import Endpoint
from devbox.host import plan
from devbox.host.facts import parse
from devbox.host.model import Facts, Plan, Wish

_ALPINE = """format=1
user=dev|uid=1000|gid=1000|home=/home/dev|root_now=yes|clock=1750000000|hostname=alp|fqdn=alp
system=Linux|init=init|systemd=|os.ID=alpine|os.PRETTY_NAME=Alpine Linux v3.20|address=eth0 10.0.0.7
dockerd=/usr/bin/dockerd|docker=/usr/bin/docker|socket=660 root:docker|socket_open=yes
listen=0.0.0.0:22 users:(("sshd",pid=2100,fd=6))|disk_free_kb=9000000|root=absent /home/dev/app
dockerd_version=Docker version 26.1.5, build 411e817ddf710ff8e08fa193da80cb78af708191
engine.id=A|engine.os=Alpine Linux v3.20|engine.live_restore=false|engine.version=26.1.5|end=1"""
_ROOTLESS = """format=1
user=dev|uid=1000|gid=1000|home=/home/dev|root_now=yes|clock=1750000000|hostname=box|fqdn=box.lan
system=Linux|init=systemd|systemd=252|os.ID=debian|os.PRETTY_NAME=Debian GNU/Linux 12 (bookworm)
dockerd=|docker=/usr/bin/docker|shim=rootless|socket_open=no|service.LoadState=not-found
service.ActiveState=inactive|socket.LoadState=not-found|listen=0.0.0.0:22 users:(("sshd",pid=1,fd=3))|end=1"""
_DESKTOP = """format=1
user=dev|uid=1000|gid=1000|home=/home/dev|root_now=yes|clock=1750000000|hostname=PC|fqdn=PC
system=Linux|init=systemd|systemd=249|os.ID=ubuntu|os.PRETTY_NAME=Ubuntu 22.04.4 LTS
dockerd=|docker=/usr/bin/docker|socket=660 root:docker|socket_open=yes|service.LoadState=not-found
engine.id=D|engine.os=Docker Desktop|engine.live_restore=false|engine.version=27.0.3|end=1"""
_SNAP = """format=1
user=dev|uid=1000|gid=1000|home=/home/dev|root_now=yes|clock=1750000000|hostname=srv|fqdn=srv
system=Linux|init=systemd|systemd=249|os.ID=ubuntu|os.PRETTY_NAME=Ubuntu 22.04.4 LTS
dockerd=|docker=/snap/bin/docker|shim=snap|socket=660 root:root|socket_open=yes|service.LoadState=not-found
engine.id=S|engine.os=Ubuntu Core 22|engine.live_restore=false|engine.version=24.0.5|end=1"""
_PODMAN = """format=1
user=dev|uid=1000|gid=1000|home=/home/dev|root_now=yes|clock=1750000000|hostname=fed|fqdn=fed
system=Linux|init=systemd|systemd=255|os.ID=fedora|os.PRETTY_NAME=Fedora Linux 40 (Server Edition)
dockerd=|docker=/usr/bin/docker|shim=podman|socket_open=no|service.LoadState=not-found|end=1"""


def facts(text: str) -> Facts:
    return parse(text.replace("|", "\n").splitlines())


def planned(text: str, endpoint: Endpoint = Endpoint.TLS) -> Plan:
    return plan.make(facts(text), Wish(endpoint=endpoint, host="box", owner="me"), None)


@pytest.mark.parametrize(
    ("text", "what", "step"),
    [
        (_ALPINE, "the host does not run systemd", "docker: {endpoint: ssh}"),
        (_ROOTLESS, "Docker runs rootless on this host", "dockerd-rootless-setuptool.sh uninstall"),
        (_DESKTOP, "Docker on this host is Docker Desktop", "use a Linux host with Docker Engine"),
        (_SNAP, "Docker comes from a snap", "sudo snap remove docker"),
        (_PODMAN, "the host's `docker` is podman's stand-in", "remove podman-docker"),
        (_SNAP.replace("system=Linux", "system=Darwin"), "Docker Desktop", "use a Linux host"),
    ],
)
def test_refused_with_the_way_on(text: str, what: str, step: str) -> None:
    found = planned(text)
    assert what in found.refusals[0].what
    assert step in found.refusals[0].next[0]
    assert not found.changes


def test_alpine_needs_no_systemd_over_ssh() -> None:
    found = planned(_ALPINE, Endpoint.SSH)
    assert not found.refusals
    assert [one.path for one in found.folders] == ["/home/dev/app"]
    assert not found.changes
    assert not found.restart


@pytest.mark.parametrize("text", [_ROOTLESS, _DESKTOP, _SNAP, _PODMAN])
def test_the_ssh_endpoint_is_no_way_round_a_daemon_that_is_not_the_systems(text: str) -> None:
    assert planned(text, Endpoint.SSH).refusals
