"""A rehearsal host is a real host."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rehearsal import hosts, images
from tests.rehearsal.hosts import RehearsalHost, Wish
from tests.rehearsal.keys import PASSWORD
from tests.rehearsal.places import BenchError

pytestmark = pytest.mark.host

Make = Callable[[Wish], RehearsalHost]


def _ssh(config: Path, name: str, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ssh", "-F", str(config), name, command], capture_output=True, text=True)


def test_it_has_systemd_sshd_sudo_and_dockerd(
    rehearsal_host: RehearsalHost, ssh_config: Callable[[], Path]
) -> None:
    config = ssh_config()
    said = _ssh(
        config,
        rehearsal_host.name,
        "id -un; sudo -n id -un; cat /proc/1/comm; sudo docker info -f '{{.ServerVersion}}'",
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
    assert hosts.up(Wish(rehearsal_host.name)) == rehearsal_host
    with pytest.raises(BenchError, match="another kind"):
        hosts.up(Wish(rehearsal_host.name, release="trixie"))


def test_root_logs_in_with_the_same_key(
    rehearsal_host: RehearsalHost, ssh_config: Callable[[], Path]
) -> None:
    config = ssh_config()
    words = [
        "ssh",
        "-F",
        str(config),
        "-o",
        "StrictHostKeyChecking=yes",
        "-l",
        "root",
        rehearsal_host.name,
        "id -u",
    ]
    assert subprocess.run(words, capture_output=True, text=True).stdout.strip() == "0"


def test_a_build_on_it_reaches_the_package_index(rehearsal_host: RehearsalHost) -> None:
    lines = ["ARG PYTHON_IMAGE", "FROM ${PYTHON_IMAGE}"]
    lines += ["RUN --mount=type=cache,target=/root/.cache/pip pip install six && python -c 'import six'"]
    build = ["env", "DOCKER_BUILDKIT=1", "docker", "build", "--no-cache", "--tag", "reaches", "--build-arg"]
    dockerfile = "\n".join(lines).encode()
    rehearsal_host.shell(*build, f"PYTHON_IMAGE={images.PYTHON_IMAGE}", "-", stdin=dockerfile)
    assert (
        rehearsal_host.shell("docker", "run", "--rm", "reaches", "python", "-c", "import six; print(1)")
        == "1\n"
    )
    rehearsal_host.shell("docker", "image", "rm", "reaches")


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


def test_down_leaves_no_control_group_of_an_inner_container(rehearsal_factory: Make) -> None:
    host = rehearsal_factory(Wish("busy"))
    run = ["docker", "run", "-d", images.PYTHON_IMAGE, "sleep", "1000"]
    inner = host.shell(*run).strip()
    hosts.down("busy")
    assert [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/docker/{inner}")] == []


def test_sudo_that_asks(rehearsal_factory: Make, ssh_config: Callable[[], Path]) -> None:
    rehearsal_factory(Wish("asking", sudo="password", python_image=False))
    config = ssh_config()
    said = _ssh(config, "asking", f"sudo -n true || echo asks; echo {PASSWORD} | sudo -S id -un 2>/dev/null")
    assert said.stdout.split() == ["asks", "root"]


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
