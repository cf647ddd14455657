"""`devbox doctor` as people run it, against a real sshd."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ssh.sshd import Sshd, free_port, sshd


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("doctor")) as running:
        yield running


def doctor(config: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "SSH_"))}
    return subprocess.run(
        [sys.executable, "-m", "devbox", "doctor", *arguments],
        env={**clean, "DEVBOX_SSH_CONFIG": str(config), "PYTHONPATH": os.getcwd(), **environment},
        cwd=config.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def config(server: Sshd, tmp_path: Path) -> Path:
    path = tmp_path / "ssh_config"
    stranger = tmp_path / "stranger"
    stranger.write_text("")
    (tmp_path / "devbox.yaml").write_text(f"name: shop\nsync:\n  - {{local: ., remote: {tmp_path}}}\n")
    path.write_text(
        server.stanza("box")
        + server.stanza("refused", f"Port {free_port()}")
        + server.stanza("stranger", f"UserKnownHostsFile {stranger}")
    )
    return path


def checks(config: Path, *arguments: str, **environment: str) -> dict[str, dict[str, str]]:
    done = doctor(config, "--json", *arguments, **environment)
    return {one["name"]: one for one in json.loads(done.stdout)["checks"]}


@pytest.mark.usefixtures("run_by_root")
def test_links_of_ssh_hold(config: Path) -> None:
    found = checks(config, "--host", "box")
    for name in (
        "name",
        "tcp",
        "host key",
        "login",
        "latency",
        "root",
        "environment",
        f"folder {config.parent}",
    ):
        assert found[name]["verdict"] == "ok", found[name]


def test_stops_at_a_refused_port(config: Path) -> None:
    done = doctor(config, "--host", "refused")
    assert done.returncode == 1
    assert "FAIL  tcp" in done.stderr
    assert "fix: " in done.stderr
    assert "login                    not reached" in done.stderr
    assert "folders                  not reached" in done.stderr
    assert done.stdout.startswith("broken at tcp: nothing listens on port")


def test_stops_at_an_unknown_key(config: Path) -> None:
    found = checks(config, "--host", "stranger")
    assert found["host key"]["verdict"] == "failed"
    assert "SHA256:" in found["host key"]["evidence"]
    assert found["login"]["verdict"] == "not reached"


def test_docker_host_in_the_environment_is_named(config: Path) -> None:
    found = checks(config, "--host", "box", DOCKER_HOST="tcp://10.9.8.7:2375")
    assert found["environment"]["verdict"] == "warning"
    assert found["environment"]["fix"] == "unset DOCKER_HOST"


def test_bundle_is_private_and_redacted(config: Path, tmp_path: Path) -> None:
    (tmp_path / "devbox.yaml").write_text(
        "name: shop\nhost: someone@secret-box.invalid\nsync:\n  - {local: ., remote: ~/shop}\n"
        "services:\n  web: {command: run, environment: {PASSWORD: hunter2}}\n"
    )
    bundle = tmp_path / "report.zip"
    assert doctor(config, "--bundle", str(bundle)).returncode == 1
    assert bundle.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(bundle) as packed:
        everything = "".join(packed.read(name).decode() for name in packed.namelist())
        assert json.loads(packed.read("doctor.json"))["broken"] == "name"
    for secret in ("hunter2", "secret-box", "someone"):
        assert secret not in everything


def test_names_that_only_ssh_config_knows_do_not_leave_either(config: Path, tmp_path: Path) -> None:
    config.write_text(
        "Host work\n  HostName deep.hidden.invalid\n  User hermit\n  ProxyJump porter@gate.invalid:2222\n"
    )
    bundle = tmp_path / "report.zip"
    done = doctor(config, "--host", "work", "--bundle", str(bundle))
    assert "hermit@deep.hidden.invalid" in done.stderr
    with zipfile.ZipFile(bundle) as packed:
        everything = "".join(packed.read(name).decode() for name in packed.namelist())
    assert "through <name" in everything
    for secret in ("hidden", "hermit", "porter", "gate.invalid", "work"):
        assert secret not in everything.replace("network", "")
