"""A prepared, built, synced project on a host of its own, and the settings written for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.pycharm import desk as desks
from tests.pycharm.desk import Desk
from tests.pycharm.eye import Settings
from tests.rehearsal import hosts, images

TOP = Path(__file__).resolve().parents[2]
NAME = hosts.shared_name("pycharm")
"""A host of this room's own, named after the shared one: two runs on one machine need not share."""
DOCKERFILE = f'FROM {images.PYTHON_IMAGE}\nWORKDIR /app\nCMD ["python3"]\n'
SERVICES = 'services:\n  web: {command: "python -m web", ports: ["8000:8000"]}\n'
YAML = f"name: room\nhost: {NAME}\n{SERVICES}"
COMPOSE = 'version: "3"\nservices:\n  web:\n    image: room-dev\n    volumes: [/home/dev/devbox/room:/app]\n'


@dataclass
class Stage:
    """The real command line, the settings that it writes, and the host they lead to."""

    host: hosts.RehearsalHost
    settings: Settings
    environment: dict[str, str]

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "devbox", *words]
        env = {**self.environment, **environment}
        return subprocess.run(argv, cwd=self.settings.project, env=env, capture_output=True, text=True)

    def devbox(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def use(self, interpreter: str) -> str:
        """Bind the project to this interpreter and install it; what was said."""
        text = f"{YAML}pycharm: {{interpreter: {interpreter}}}\n"
        (self.settings.project / "devbox.yaml").write_text(text)
        return self.devbox("pycharm", "--install")


@pytest.fixture(scope="session")
def stage(bench: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Everything up to the settings, done by the real command line."""
    tmp = tmp_path_factory.mktemp("pycharm")
    project, home = tmp / "code", tmp / "home"
    options = home / ".config/JetBrains/PyCharm2024.1/options"
    project.mkdir()
    options.mkdir(parents=True)
    hosts.down(NAME)
    host = hosts.up(hosts.Wish(NAME))
    (tmp / "ssh_config").write_text(hosts.ssh_config())
    for name, text in {
        "Dockerfile.dev": DOCKERFILE,
        "web.py": "print('hello')\n",
        "compose.yaml": COMPOSE,
        "devbox.yaml": YAML,
    }.items():
        (project / name).write_text(text)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(TOP),
        "HOME": str(home),
        "DEVBOX_SSH_CONFIG": str(tmp / "ssh_config"),
    }
    made = Stage(host, Settings(project, options, home), environment)
    made.devbox("init", "--yes")
    made.devbox("build")
    made.devbox("sync")
    made.devbox("pycharm", "--install")
    yield made
    hosts.down(host.name)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    project, home = tmp_path / "code", tmp_path / "home"
    project.mkdir()
    home.mkdir()
    (project / "devbox.yaml").write_text(desks.YAML)
    (project / "Dockerfile.dev").write_text("FROM scratch\n")
    return Desk(project, home)
