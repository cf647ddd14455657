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
    said = desk.init()
    assert "settings checked by dockerd" in said
    assert _version(desk).startswith("26.1.")
    assert "nothing to do" in desk.init()

    desk.host.sh(_UPGRADE)
    assert _version(desk).startswith("26.1."), "the package leaves the old daemon running"
    assert "nothing to do" in desk.init()
    desk.host.sh("systemctl restart docker.service")
    assert _version(desk).startswith("28.")
    assert "nothing to do" in desk.init()
    desk.devbox("host", "reset", "--yes")
    packaged = set(desk.host.sh("dpkg -L docker.io | xargs readlink -m").splitlines())
    changed = {line.split()[-1] for line in set(desk.snapshot().splitlines()) ^ set(before.splitlines())}
    assert {desk.host.sh(f"readlink -m {path}").strip() for path in changed} <= packaged

    before = desk.snapshot()
    image = desk.host.sh("docker image ls -q | head -1").strip()
    desk.host.sh(f"docker run -d --name keeper {image} sleep 600")
    said = desk.init()
    assert "settings checked by dockerd" in said
    for check in ("with our certificate", "without a certificate", "with a foreign certificate"):
        assert f"ok  {check}" in said
    assert (_version(desk)[:3], desk.docker("ps", "--format", "{{.Names}}")) == ("28.", "keeper\n")
    assert "nothing to do" in desk.init()
    desk.reset_to(before)
    assert desk.host.sh("docker version -f '{{.Server.Version}}'; docker ps --format '{{.Names}}'").endswith(
        "\nkeeper\n"
    )


def _version(desk: Desk) -> str:
    """The running daemon's, which is not the program's on the disk until it is restarted."""
    return desk.docker("version", "--format", "{{.Server.Version}}")


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
