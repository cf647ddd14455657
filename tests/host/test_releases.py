"""Other releases and setups of Docker, each on a fresh host of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.host.desk import Desk
from tests.rehearsal import hosts

pytestmark = pytest.mark.host

_OURS = "ls -d /etc/docker/devbox /etc/systemd/system/docker.service.d /etc/systemd/system/devbox-*; true"
_UPGRADE = """set -e
sed -n 's/^deb \\(\\S*\\) trixie main.*/deb \\1 sid main/p' /etc/apt/sources.list >/tmp/sid
mv /tmp/sid /etc/apt/sources.list.d/sid.list
apt-get update -q -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none
apt-get install -q -y --no-install-recommends -t sid docker.io docker-cli"""
"""To the newest Docker that Debian has, as a user does it: new files, the package's scripts, a restart."""
Make = Callable[[hosts.Wish], hosts.RehearsalHost]
Seat = Callable[[hosts.RehearsalHost], Desk]


def test_trixie_checks_its_settings_itself_and_the_newest_docker_takes_them_over(
    rehearsal_factory: Make, desk_at: Seat
) -> None:
    desk = desk_at(rehearsal_factory(hosts.Wish("trixie-init", release="trixie")))
    said = desk.init()
    assert "settings checked by dockerd" in said
    assert desk.docker("version", "--format", "{{.Server.Version}}").startswith("26.")
    assert "nothing to do" in desk.init()
    # systemd of sid itself does not start where control groups are of version 1; its Docker does.
    desk.host.sh(_UPGRADE)
    assert int(desk.docker("version", "--format", "{{.Server.Version}}").split(".")[0]) >= 28
    said = desk.init()
    assert "nothing to do" in said
    for check in ("with our certificate", "without a certificate", "with a foreign certificate"):
        assert f"ok  {check}" in said
    desk.devbox("host", "reset", "--yes")
    assert desk.host.sh(_OURS) == ""
    before = desk.snapshot()
    assert "settings checked by dockerd" in desk.init()
    assert "nothing to do" in desk.init()
    desk.reset_to(before)


def test_docker_is_installed_where_it_is_missing(rehearsal_factory: Make, desk_at: Seat) -> None:
    desk = desk_at(rehearsal_factory(hosts.Wish("bare-init", docker=False)))
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
