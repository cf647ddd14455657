"""A private registry: whoever logged in may build from it and pull from it; nobody else hears of it."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from devbox import wiring
from devbox.config.load import load
from devbox.errors import DaemonError
from tests.image.conftest import PYTHON_IMAGE, Folder
from tests.rehearsal import hosts, images

pytestmark = pytest.mark.host

REGISTRY = "127.0.0.1:5000"
SERVE = ("docker-registry", "serve", "/etc/docker/registry/config.yml")


@pytest.fixture
def password(docker_user: hosts.RehearsalHost) -> Iterator[str]:
    """A registry on the host that lets `ada` in with this password; it has one image, team/base."""
    hosts.load(docker_user, images.registry_recipe())
    word = secrets.token_hex(8)
    entry = f"ada:{bcrypt.hashpw(word.encode(), bcrypt.gensalt(4)).decode()}"
    docker_user.sh(f"mkdir -p /root/auth; echo '{entry}' > /root/auth/htpasswd")
    words = ("docker", "run", "-d", "--name", "registry", "--network", "host", "-v", "/root/auth:/auth")
    environment = ("-e", "REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd")
    docker_user.shell(*words, *environment, images.REGISTRY_IMAGE, *SERVE)
    docker_user.sh(
        f"for n in 1 2 3 4 5 6 7; do echo {word} | docker login -u ada --password-stdin {REGISTRY} && break; "
        f"sleep 0.5; done; docker tag {PYTHON_IMAGE} {REGISTRY}/team/base; docker push {REGISTRY}/team/base;"
        f" docker logout {REGISTRY}; docker image rm {REGISTRY}/team/base"
    )
    yield word
    docker_user.sh("docker rm -f -v registry; rm -rf /root/auth")


def test_only_who_logged_in_builds_and_pulls(
    project: Folder, password: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    project.write("Dockerfile.dev", f"FROM {REGISTRY}/team/base\nRUN echo from the registry > /mark\n")
    refused = project.run("build")
    assert refused.code == 1
    assert REGISTRY in refused.err
    assert f"next: docker login {REGISTRY}" in refused.err

    config = load(project.path / "devbox.yaml")
    with wiring.open_daemon(config) as daemon:
        with pytest.raises(DaemonError) as stated:
            daemon.pull(f"{REGISTRY}/team/base", lambda _: None)
        assert f"docker login {REGISTRY}" in stated.value.next_steps[0]

        (tmp_path / "docker").mkdir()
        login = base64.b64encode(f"ada:{password}".encode()).decode()
        other = base64.b64encode(b"ada:elsewhere").decode()
        known = {"auths": {REGISTRY: {"auth": login}, "registry.example.org": {"auth": other}}}
        (tmp_path / "docker" / "config.json").write_text(json.dumps(known))
        built = project.run("build", "--json")
        assert built.code == 0, built.out
        assert password not in built.out + built.err
        project.host.shell("docker", "run", "--rm", "imaged-dev", "cat", "/mark")
        daemon.pull(f"{REGISTRY}/team/base", lambda _: None)
        assert daemon.image(f"{REGISTRY}/team/base") is not None
    project.host.shell("docker", "image", "rm", f"{REGISTRY}/team/base")
