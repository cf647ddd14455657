"""A small project whose image is built on a rehearsal host's daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.hosts import RehearsalHost

TOP = Path(__file__).resolve().parents[2]
PYTHON_IMAGE = "devbox-rehearsal/python:3.12-slim"
DOCKERFILE = """\
ARG PYTHON_IMAGE=python:3.12-slim
FROM ${PYTHON_IMAGE}
RUN --mount=type=cache,target=/var/cache/app echo once > /var/cache/app/mark
RUN useradd --uid 4711 app
WORKDIR /app
COPY . /app
USER app
CMD ["python3", "-m", "http.server", "8000"]
"""


@dataclass(frozen=True)
class Done:
    """What a devbox command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Folder:
    """A project folder, and the real command line run in it."""

    path: Path
    host: RehearsalHost
    environment: Mapping[str, str] = field(default_factory=dict)
    """What else the commands find in theirs."""

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "devbox", "-C", str(self.path), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(TOP), "COLUMNS": "200", **self.environment},
        )

    def run(self, *words: str) -> Done:
        process = self.start(*words)
        out, err = process.communicate(timeout=120)
        return Done(process.returncode, out, err)


@pytest.fixture(scope="session")
def docker_user(rehearsal_host: RehearsalHost) -> RehearsalHost:
    """The shared host, whose user `dev` may use the daemon's socket."""
    rehearsal_host.shell("usermod", "-aG", "docker", "dev")
    return rehearsal_host


@pytest.fixture
def project(docker_user: RehearsalHost, ssh_config: Callable[[], Path], tmp_path: Path) -> Folder:
    ssh_config()
    folder = Folder(tmp_path / "project", docker_user)
    folder.path.mkdir()
    folder.write("Dockerfile.dev", DOCKERFILE)
    folder.write("app.py", "print('hello')\n")
    build = f'build: {{args: {{PYTHON_IMAGE: "{PYTHON_IMAGE}"}}}}'
    folder.write(
        "devbox.yaml", f"name: imaged\nhost: {docker_user.name}\ndocker: {{endpoint: ssh}}\n{build}\n"
    )
    return folder
