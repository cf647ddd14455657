"""Two people, one host, the same devbox.yaml: they never meet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rehearsal.hosts import RehearsalHost
from tests.road.terminal import Terminal

pytestmark = pytest.mark.host

CONFIG = """
name: team
host: {account}@{host}
docker: {{endpoint: ssh}}
build: {{args: {{PYTHON_IMAGE: "{python}"}}}}
services:
  web:
    command: sh -c 'cat words.txt; hostname; sleep 600'
    volumes: ["data:/data"]
"""
DOCKERFILE = "ARG PYTHON_IMAGE\nFROM ${PYTHON_IMAGE}\nCOPY words.txt /built.txt\n"
ACCOUNTS = ("dev", "anna")


@pytest.fixture
def team(tmp_path: Path, terminal: Terminal, rehearsal_host: RehearsalHost) -> Iterator[list[Terminal]]:
    """A terminal per person, in that person's copy of the project."""
    rehearsal_host.sh(
        "id anna >/dev/null 2>&1 || useradd -m -s /bin/bash anna; "
        "usermod -aG docker anna; usermod -aG docker dev; "
        "install -d -o anna -g anna -m 700 ~anna/.ssh; "
        "install -o anna -g anna -m 600 ~dev/.ssh/authorized_keys ~anna/.ssh/authorized_keys"
    )
    people = []
    for account in ACCOUNTS:
        folder = tmp_path / account / "team"
        folder.mkdir(parents=True)
        text = CONFIG.format(account=account, host=rehearsal_host.name, python=terminal.python_image)
        (folder / "devbox.yaml").write_text(text)
        (folder / "Dockerfile.dev").write_text(DOCKERFILE)
        (folder / "words.txt").write_text(f"{account}'s words\n")
        people.append(Terminal(tmp_path / f"home-{account}", terminal.keys, rehearsal_host.name, folder))
    yield people
    for one in people:
        one.devbox("down", "--volumes")
    rehearsal_host.sh("userdel -r anna 2>/dev/null; rm -rf /home/dev/devbox/*team", check=False)


def test_two_people_with_one_name_never_meet(team: list[Terminal], rehearsal_host: RehearsalHost) -> None:
    for one, account in zip(team, ACCOUNTS, strict=True):
        one.devbox("up")
        assert f"{account}'s words" in one.devbox("logs", "web").stdout
        one.devbox("exec", "web", "ls", "/data")
    dev, anna = team
    assert [row["container"] for row in json.loads(dev.devbox("ps", "--json").stdout)] == ["dev.team-web-1"]

    # Anna's image has the tag now: what dev runs without a build would be hers.
    refused = dev.devbox("run", "--", "cat", "/built.txt", code=1).stderr
    assert "team-dev on the host is not yours" in refused
    assert "next: devbox build" in refused
    dev.devbox("build")
    assert dev.devbox("run", "--", "cat", "/built.txt").stdout == "dev's words\n"

    assert "removed web" in dev.devbox("down", "--volumes").stdout
    assert rehearsal_host.sh("docker ps --format '{{.Names}}' --filter name=team") == "anna.team-web-1\n"
    assert rehearsal_host.sh("docker volume ls -q --filter name=team") == "anna.team_data\n"
    assert json.loads(anna.devbox("ps", "--json").stdout)[0]["state"] == "running"
