"""Other releases and setups of Docker, each on a fresh host of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.host.desk import Desk
from tests.rehearsal import hosts

pytestmark = pytest.mark.host

_OURS = "ls -d /etc/docker/devbox /etc/systemd/system/docker.service.d /etc/systemd/system/devbox-*; true"
# The lists of sid alone, kept apart: nothing else of it is wanted. Its mirror may lag behind.
_UPGRADE = """sed 's/ trixie / sid /;/updates/d' /etc/apt/sources.list >/root/sid.list
sid="-q -o Dir::Etc::SourceList=/root/sid.list -o Dir::Etc::SourceParts=- -o Acquire::Check-Valid-Until=false"
export DEBIAN_FRONTEND=noninteractive
apt-get $sid update && apt-get $sid install -y --no-install-recommends docker.io docker-cli"""
Make = Callable[[hosts.Wish], hosts.RehearsalHost]
Seat = Callable[[hosts.RehearsalHost], Desk]


def test_trixie_checks_its_settings_itself_and_is_upgraded_to_docker_28(
    rehearsal_factory: Make, desk_at: Seat
) -> None:
    """sid's systemd wants control groups that not every machine has; its Docker runs on trixie as well."""
    desk = desk_at(rehearsal_factory(hosts.Wish(hosts.shared_name("trixie"), release="trixie")))
    before = desk.snapshot()
    assert "settings checked by dockerd" in desk.init()
    assert _version(desk)[0] == 26
    assert "nothing to do" in desk.init()
    _upgrade(desk)
    desk.devbox("host", "reset", "--yes")
    packaged = set(desk.host.sh("dpkg -L docker.io | xargs readlink -m").splitlines())
    changed = {line.split()[-1] for line in set(desk.snapshot().splitlines()) ^ set(before.splitlines())}
    assert {desk.host.sh(f"readlink -m {path}").strip() for path in changed} <= packaged
    _prepare_from_the_start(desk)


def _upgrade(desk: Desk) -> None:
    """Docker's packages become another release's under a prepared host."""
    desk.host.sh(_UPGRADE)
    assert _version(desk)[0] == 26, "the package leaves the old daemon running"
    assert "nothing to do" in desk.init()
    desk.host.sh("systemctl restart docker.service")
    assert _version(desk) >= (28, 5)
    assert "nothing to do" in desk.init()


def _prepare_from_the_start(desk: Desk) -> None:
    """The new release as it is found: with a container that runs, and back."""
    before = desk.snapshot()
    image = desk.host.sh("docker image ls -q | head -1").strip()
    desk.host.sh(f"docker run -d --stop-timeout 1 --name keeper {image} sleep 600")
    said = desk.init()
    assert "settings checked by dockerd" in said
    for check in ("with our certificate", "without a certificate", "with a foreign certificate"):
        assert f"ok  {check}" in said
    assert _version(desk) >= (28, 5)
    assert desk.docker("ps", "--format", "{{.Names}}") == "keeper\n"
    assert "nothing to do" in desk.init()
    desk.reset_to(before)
    assert desk.host.sh("docker ps --format '{{.Names}}'") == "keeper\n"


def _version(desk: Desk) -> tuple[int, ...]:
    """The running daemon's, which is not the program's on the disk until it is restarted."""
    said = desk.docker("version", "--format", "{{.Server.Version}}")
    return tuple(int(part) for part in said.partition("+")[0].split(".")[:2])


def test_docker_is_installed_where_it_is_missing(rehearsal_factory: Make, desk_at: Seat) -> None:
    desk = desk_at(rehearsal_factory(hosts.Wish(hosts.shared_name("bare"), docker=False)))
    packages = "dpkg-query -W -f '${Package} ${Version}\\n'"
    before = set(desk.host.sh(packages).splitlines())
    said = desk.init("--install")
    assert "prepared and proved" in said
    after = set(desk.host.sh(packages).splitlines())
    assert before <= after, "a package that was there has changed"
    assert desk.docker("version", "--format", "{{.Server.Version}}")
    files = desk.host.sh(_OURS)
    assert files, "nothing of devbox was there to be taken back"
    desk.devbox("host", "reset", "--yes")
    assert desk.host.sh(_OURS) == ""
    assert desk.host.sh("docker version -f ok") == "ok\n", "Docker itself stays"
