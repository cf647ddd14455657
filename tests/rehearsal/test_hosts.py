"""A rehearsal host is a real host."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rehearsal import hosts, images
from tests.rehearsal.hosts import RehearsalHost, Wish

pytestmark = pytest.mark.host

Make = Callable[[Wish], RehearsalHost]


def _ssh(config: Path, name: str, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ssh", "-F", str(config), name, command], capture_output=True, text=True)


def test_it_has_systemd_sshd_sudo_and_dockerd(
    rehearsal_host: RehearsalHost, ssh_config: Callable[[], Path]
) -> None:
    config = ssh_config()
    said = _ssh(
        config, "test", "id -un; sudo -n id -un; cat /proc/1/comm; sudo docker info -f '{{.ServerVersion}}'"
    )
    assert said.stdout.split()[:3] == ["dev", "root", "systemd"]
    assert said.stdout.split()[3].startswith("20.10")
    assert rehearsal_host.address.startswith("127.0.10.")


def test_its_daemon_runs_containers_and_restarts(rehearsal_host: RehearsalHost) -> None:
    ran = rehearsal_host.shell("docker", "run", "--rm", images.PYTHON_IMAGE, "python", "-c", "print(6 * 7)")
    assert ran.strip() == "42"
    before = rehearsal_host.sh("systemctl show -p MainPID --value docker")
    rehearsal_host.sh("systemctl restart docker")
    assert rehearsal_host.sh("systemctl show -p MainPID --value docker") != before
    rehearsal_host.shell("docker", "version")


def test_up_again_leaves_it_alone(rehearsal_host: RehearsalHost) -> None:
    assert hosts.up(Wish("test")) == rehearsal_host


def test_hosts_differ_from_each_other(rehearsal_host: RehearsalHost, rehearsal_factory: Make) -> None:
    other = rehearsal_factory(Wish("twin", python_image=False))
    assert other.address != rehearsal_host.address
    for path in ("/etc/ssh/ssh_host_ed25519_key.pub", "/etc/machine-id"):
        assert other.shell("cat", path) != rehearsal_host.shell("cat", path)


def test_down_leaves_nothing(rehearsal_factory: Make) -> None:
    from tests.rehearsal.daemon import docker

    before = set(docker("volume", "ls", "-q").stdout.split())
    host = rehearsal_factory(Wish("brief", python_image=False))
    assert hosts.down("brief") == ["brief"]
    assert hosts.find("brief") is None
    assert docker("inspect", host.container, check=False).returncode != 0
    assert set(docker("volume", "ls", "-q").stdout.split()) <= before


def test_a_host_without_docker_and_one_without_sudo(
    rehearsal_factory: Make, ssh_config: Callable[[], Path]
) -> None:
    rehearsal_factory(Wish("poor", docker=False, sudo="none"))
    config = ssh_config()
    said = _ssh(config, "poor", "command -v dockerd || echo none; sudo -n true || echo refused")
    assert said.stdout.split() == ["none", "refused"]


def test_trixie(rehearsal_factory: Make) -> None:
    host = rehearsal_factory(Wish("newer", release="trixie"))
    assert host.shell("docker", "info", "-f", "{{.ServerVersion}}").startswith("26.")
    ran = host.shell("docker", "run", "--rm", images.PYTHON_IMAGE, "python", "-c", "print(6 * 7)")
    assert ran.strip() == "42"
