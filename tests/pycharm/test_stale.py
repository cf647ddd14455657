"""What changed on the real host since the settings were written is found, named, and mended."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pycharm.conftest import DOCKERFILE, YAML, Stage
from tests.pycharm.eye import DockerServer

pytestmark = pytest.mark.host


@pytest.fixture
def as_written(stage: Stage) -> Iterator[None]:
    """Tests that change devbox.yaml leave settings that say what is so."""
    yield
    (stage.settings.project / "devbox.yaml").write_text(YAML)
    stage.devbox("pycharm", "--install", "--force")


def stale(stage: Stage, **environment: str) -> tuple[set[str], str]:
    """What --check calls stale, and its words; the exit code is 1 exactly when something is."""
    done = stage.run("pycharm", "--check", **environment)
    found = set(done.stdout.removeprefix("stale: ").strip().split(", ")) if done.returncode else set()
    assert done.stdout.startswith("stale: " if found else "everything is as devbox.yaml and the host say")
    return found, done.stderr


def test_a_changed_host_key(stage: Stage, tmp_path: Path) -> None:
    key = tmp_path / "another"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    other = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    (tmp_path / "known_hosts").write_text(f"{stage.host.address} {other}\n")
    config = Path(stage.environment["DEVBOX_SSH_CONFIG"]).read_text()
    moved = re.sub(r"UserKnownHostsFile .*", f"UserKnownHostsFile {tmp_path}/known_hosts", config)
    (tmp_path / "config").write_text(moved)
    changed = {"DEVBOX_SSH_CONFIG": str(tmp_path / "config")}
    found, said = stale(stage, **changed)
    assert found == {"ssh host key"}
    assert "the host's key has CHANGED" in said
    assert "fix: compare the offered fingerprint" in said
    before = (stage.settings.project / ".idea/sshConfigs.xml").read_bytes()
    done = stage.run("pycharm", **changed)  # and nothing is written past it
    assert (done.returncode, "has CHANGED" in done.stderr) == (1, True)
    assert (stage.settings.project / ".idea/sshConfigs.xml").read_bytes() == before


def test_certificates_that_are_gone_or_not_let_in(stage: Stage) -> None:
    settings = stage.settings
    server = settings.first(settings.options / "remote-servers.xml", "remote-server")
    folder = DockerServer.named(settings, server.get("name") or "").certificates
    key, certificate = folder / "key.pem", folder / "cert.pem"
    key.rename(folder / "key.aside")
    try:
        found, said = stale(stage)
        assert "certificates" in found
        assert f"key.pem missing in {folder}" in said
    finally:
        (folder / "key.aside").rename(key)
    own = certificate.read_bytes()
    certificate.write_bytes((folder / "ca.pem").read_bytes())
    try:
        assert "Docker connection" in stale(stage)[0]
    finally:
        certificate.write_bytes(own)


def test_an_image_that_is_not_there(stage: Stage) -> None:
    stage.host.sh("docker tag room-dev room-aside && docker rmi room-dev")
    try:
        found, said = stale(stage)
        assert found == {"image"}
        assert "fix: devbox build" in said
    finally:
        stage.host.sh("docker tag room-aside room-dev && docker rmi room-aside")


@pytest.mark.usefixtures("as_written")
def test_another_tag_another_mapping_and_a_remote_folder_that_is_not_there(stage: Stage) -> None:
    elsewhere = "sync: [{local: ., remote: ~/devbox/elsewhere, container: /app}]\n"
    (stage.settings.project / "devbox.yaml").write_text(f"{YAML}build: {{image: 'room-dev:2'}}\n{elsewhere}")
    stage.host.sh("docker tag room-dev room-dev:2")
    found, said = stale(stage)
    assert {".run/devbox image.run.xml", "options/jdk.table.xml", ".idea/misc.xml"} <= found
    assert {"mapping .", ".idea/deployment.xml", "options/remote-servers.xml"} <= found
    assert "/home/dev/devbox/elsewhere is not on the host" in said
    assert "fix: devbox sync" in said
    stage.devbox("sync")
    stage.devbox("pycharm", "--install")
    assert stale(stage)[0] == set()
    assert "room-dev:2" in (stage.settings.options / "jdk.table.xml").read_text()


@pytest.mark.usefixtures("as_written")
def test_another_python_in_the_image(stage: Stage) -> None:
    dockerfile = stage.settings.project / "Dockerfile.dev"
    more = "RUN python3 -m venv --without-pip /opt/venv\nENV PATH=/opt/venv/bin:$PATH\n"
    dockerfile.write_text(DOCKERFILE + more)
    stage.devbox("build")
    try:
        found, said = stale(stage)
        assert {"image interpreter", "options/jdk.table.xml"} <= found
        assert "/opt/venv/bin/python3" in said
        stage.devbox("pycharm", "--install")
        assert "/opt/venv/bin/python3" in (stage.settings.options / "jdk.table.xml").read_text()
    finally:
        dockerfile.write_text(DOCKERFILE)
        stage.devbox("build")


def both_ways(stage: Stage) -> str:
    found = {
        one["name"]: one["verdict"] for one in json.loads(stage.run("doctor", "--json").stdout)["checks"]
    }
    return str(found["one way of syncing"])


@pytest.mark.usefixtures("as_written")
def test_doctor_warns_of_two_ways_of_syncing_at_once(stage: Stage) -> None:
    stage.devbox("pycharm", "--upload")
    argv = [sys.executable, "-m", "devbox", "sync", "--watch"]
    watching = subprocess.Popen(argv, cwd=stage.settings.project, env=stage.environment)
    try:
        verdicts = (both_ways(stage) for _ in range(60) if watching.poll() is None)
        assert "warning" in verdicts  # as soon as it listens
    finally:
        watching.terminate()
        watching.wait()
    assert both_ways(stage) == "ok"
