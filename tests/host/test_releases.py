"""Other releases and setups of Docker, each on a fresh host of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.host.desk import Desk
from tests.rehearsal import hosts

pytestmark = pytest.mark.host

_OURS = "ls -d /etc/docker/devbox /etc/systemd/system/docker.service.d /etc/systemd/system/devbox-*; true"
Make = Callable[[hosts.Wish], hosts.RehearsalHost]
Seat = Callable[[hosts.RehearsalHost], Desk]


def test_trixie_checks_its_settings_itself_and_is_put_back(rehearsal_factory: Make, desk_at: Seat) -> None:
    desk = desk_at(rehearsal_factory(hosts.Wish("trixie-init", release="trixie")))
    before = desk.snapshot()
    said = desk.init()
    assert "settings checked by dockerd" in said
    assert desk.docker("version", "--format", "{{.Server.Version}}").startswith("26.")
    assert "nothing to do" in desk.init()
    # An upgrade does the same: the package's files and scripts anew, dockerd restarted.
    desk.host.sh("apt-get update -q && apt-get install -q -y --reinstall docker.io")
    desk.host.sh("systemctl daemon-reload && systemctl restart docker.service")
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
