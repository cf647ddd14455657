"""Bad input and bad luck on the way to the host, through the real command line against real servers.

Each failure must say what, where and why, name a next command, end with the documented code, and leave no
trace on disk that would make the next run behave differently.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ssh.sshd import Sshd, free_port, keygen, sshd

COMMANDS = (["init", "--plan"], ["doctor"], ["build"], ["sync"], ["up"])
"""Commands that need the host: the same trouble has the same words in each."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("bad-luck")) as running:
        yield running


class Project:
    """A project folder with a devbox.yaml, a home of its own, and an ssh_config."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "ssh_config"
        self.config.write_text("")
        (folder / "Dockerfile.dev").write_text("FROM scratch\n")

    def host(self, line: str) -> Project:
        """Write devbox.yaml with this `host` line."""
        text = f"name: shop\n{line}\ndocker: {{endpoint: ssh}}\nsync:\n  - {{local: ., remote: ~/shop}}\n"
        (self.folder / "devbox.yaml").write_text(text)
        return self

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        ours = {
            key: value for key, value in os.environ.items() if not key.startswith(("SSH_", "DOCKER_", "XDG_"))
        }
        environment = {
            **ours,
            "HOME": str(self.folder / "home"),
            "DEVBOX_SSH_CONFIG": str(self.config),
            "PYTHONPATH": os.getcwd(),
        }
        return subprocess.run(
            [sys.executable, "-m", "devbox", *words],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def fails(project: Project, words: list[str], *said: str, code: int = 1) -> str:
    """The command fails as a stated failure whose words include all of `said`."""
    done = project.run(*words)
    assert done.returncode == code, (words, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert "next: " in done.stderr or "fix: " in done.stderr, done.stderr
    for one in said:
        assert one in done.stderr, (words, done.stderr)
    return done.stderr


def test_no_host_given(project: Project) -> None:
    fails(project, ["init"], "init which host?", "devbox init USER@HOST", code=2)
    fails(project, ["doctor"], "no devbox.yaml", "devbox init USER@HOST")
    project.host("# no host")
    fails(project, ["build"], "no host is given", "devbox init USER@HOST", code=2)
    fails(project, ["doctor"], "no host is given")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_unknown_host(project: Project, words: list[str]) -> None:
    fails(project.host("host: dev@no-such-host.invalid"), words, "the name cannot be resolved")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_refused_port(project: Project, server: Sshd, words: list[str]) -> None:
    port = free_port()
    project.config.write_text(server.stanza("box", f"Port {port}"))
    fails(project.host("host: box"), words, f"nothing listens on port {port}", "connection refused")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_wrong_key(project: Project, server: Sshd, words: list[str]) -> None:
    other = keygen(project.folder / "other")
    project.config.write_text(server.stanza("box").replace(str(server.user_key), str(other)))
    fails(project.host("host: box"), words, "the host does not let", f"key {other} (refused)", "publickey")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_changed_host_key(project: Project, server: Sshd, words: list[str]) -> None:
    keygen(project.folder / "other")
    known = project.folder / "known"
    before = f"{server.known_as} {(project.folder / 'other.pub').read_text()}"
    known.write_text(before)
    project.config.write_text(server.stanza("box", f"UserKnownHostsFile {known}"))
    said = fails(project.host("host: box"), words, "CHANGED", "ssh-keygen")
    assert said.count("SHA256:") >= 2
    assert known.read_text() == before


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_unknown_host_key_is_never_accepted_by_itself(
    project: Project, server: Sshd, words: list[str]
) -> None:
    known = project.folder / "known"
    project.config.write_text(server.stanza("box", f"UserKnownHostsFile {known}"))
    fails(project.host("host: box"), words, "not known yet", "SHA256:")
    assert not known.exists()


def test_failures_as_json(project: Project) -> None:
    done = project.host("host: dev@no-such-host.invalid").run("build", "--json")
    error = json.loads(done.stdout.splitlines()[-1])["error"]
    assert done.returncode == 1
    assert error["type"] == "HostUnreachable"
    assert error["where"] == "no-such-host.invalid"
    assert error["next"]
