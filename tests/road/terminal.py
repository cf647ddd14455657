"""A terminal of its own: the real command line, with its own keys, state, Docker contexts and ssh_config."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.rehearsal import hosts, images

TOP = Path(__file__).resolve().parents[2]
_FOREIGN = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


@dataclass
class Terminal:
    """Commands typed in `folder` by a user whose home is `home` and whose host is the alias `host`.

    `keys` are kept longer than a test: the shared host knows one certificate authority.
    """

    home: Path
    keys: Path
    host: str
    folder: Path
    python_image: str = images.PYTHON_IMAGE
    extra: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "ssh_config").write_text(hosts.ssh_config())

    @property
    def env(self) -> dict[str, str]:
        """The environment of its commands."""
        own = {
            "PYTHONPATH": str(TOP),
            "XDG_CONFIG_HOME": str(self.keys),
            "XDG_STATE_HOME": str(self.home / "state"),
            "DOCKER_CONFIG": str(self.home / "docker"),
            "DEVBOX_SSH_CONFIG": str(self.home / "ssh_config"),
        }
        kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
        return {**kept, **own, **self.extra}

    def start(self, *words: str) -> subprocess.Popen[str]:
        """`devbox WORDS`, left running."""
        return subprocess.Popen(
            [sys.executable, "-m", "devbox", *words],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def devbox(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """`devbox WORDS` to its end; another exit code than expected fails with what was said."""
        with self.start(*words) as running:
            out, err = running.communicate(timeout=280)
        done = subprocess.CompletedProcess(words, running.returncode, out, err)
        assert done.returncode == code, (
            f"devbox {' '.join(words)} ended with {done.returncode}:\n{err}\n{out}"
        )
        assert "Traceback" not in err
        return done
