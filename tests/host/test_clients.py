"""Other people's clients with the files that devbox writes, in an environment full of nonsense."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.host.desk import Desk

pytestmark = pytest.mark.host

_NONSENSE = {
    "DOCKER_HOST": "tcp://127.0.0.1:1",
    "DOCKER_CERT_PATH": "/nonsense",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "REQUESTS_CA_BUNDLE": "/nonsense.pem",
    "CURL_CA_BUNDLE": "/nonsense.pem",
}
_SDK = "import docker; print(docker.from_env().version()['Version'])"


def shell(desk: Desk, line: str) -> str:
    """A line of shell after `eval "$(devbox host env)"`, everything around it set to nonsense."""
    known = f'eval "$({sys.executable} -m devbox host env)" && {line}'
    environment = {**desk.environment, **_NONSENSE}
    done = subprocess.run(
        ["sh", "-c", known], env=environment, cwd=desk.project, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _newest_python(folder: Path) -> str:
    """Python 3.13, whose TLS checks are the strictest, with the SDK; this one where it is not installed."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    names = [shutil.which("python3.13") or "", *map(str, versions.glob("3.13.*/bin/python3.13"))]
    works = [
        name
        for name in names
        if name and subprocess.run([name, "-c", ""], capture_output=True).returncode == 0
    ]
    if not works:
        return sys.executable
    found = works[0]
    subprocess.run([found, "-m", "venv", folder], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", "docker"], check=True, capture_output=True)
    return python


def test_cli_sdk_and_curl(desk: Desk) -> None:
    """At an address that no client takes for its own machine: for those, proxies would not count."""
    config = desk.folder / "ssh_config"
    inner = f"  HostName {desk.host.inner}\n  HostKeyAlias {desk.host.address}"
    config.write_text(config.read_text().replace(f"  HostName {desk.host.address}", inner))
    nonsense = Desk(desk.folder, desk.host, _NONSENSE)
    nonsense.init()
    assert "nothing to do" in nonsense.init()
    said = nonsense.devbox("doctor")
    assert "warn environment DOCKER_HOST=tcp://127.0.0.1:1 is set" in " ".join(said.split())

    version = shell(desk, "docker version --format '{{.Server.Version}}'")
    assert version.startswith("20.10")
    for python in (sys.executable, _newest_python(desk.folder / "newest")):
        assert shell(desk, f'{python} -c "{_SDK}"') == version
    files = "--cacert ca.pem --cert cert.pem --key key.pem"
    curl = f'cd "$DOCKER_CERT_PATH" && curl -sf {files} https://{desk.host.inner}:2376/version'
    assert f'"Version":"{version}"' in shell(desk, curl)
    context = (
        f"unset DOCKER_HOST; docker --context devbox-{desk.host.name} version -f '{{{{.Server.Version}}}}'"
    )
    assert shell(desk, context) == version
