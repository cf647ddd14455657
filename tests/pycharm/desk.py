"""A user's desk: a project, a home with everything of its own, and `devbox pycharm` as it is typed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
YAML = (
    'name: shop\nhost: dev@127.0.10.254\nservices:\n  web: {command: "python -m web", ports: ["80:8000"]}\n'
)


@dataclass
class Desk:
    """A project, a home with everything of its own, and the command line."""

    project: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(TOP), "HOME": str(self.home)}

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "devbox", "pycharm", *words]

    def devbox(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*words), cwd=self.project, env=self.environment, capture_output=True, text=True
        )

    def ok(self, *words: str) -> str:
        done = self.devbox(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def at_a_terminal(self, answers: str, *words: str) -> tuple[str, str]:
        """The command line with a person who types `answers`; what came to stdout, and to the terminal."""
        person, terminal = os.openpty()
        argv, env = self.argv(*words), {**self.environment, "NO_COLOR": "1"}
        with subprocess.Popen(
            argv, cwd=self.project, env=env, stdin=terminal, stderr=terminal, stdout=subprocess.PIPE
        ) as process:
            os.close(terminal)
            os.write(person, answers.encode())
            seen = b"".join(_until_it_hangs_up(person))
            assert process.stdout is not None
            out = process.stdout.read().decode()
        os.close(person)
        assert process.returncode == 0, out
        return out, seen.decode()

    def files(self, below: str = ".") -> dict[str, bytes]:
        """Everything in the project, or somewhere below the home."""
        top = self.project if below == "." else self.home / below
        return {str(one.relative_to(top)): one.read_bytes() for one in top.rglob("*") if one.is_file()}

    def ide(self, name: str = "PyCharm2024.1") -> Path:
        folder = self.home / ".config/JetBrains" / name
        (folder / "options").mkdir(parents=True)
        return folder


def _until_it_hangs_up(terminal: int) -> Iterator[bytes]:
    with contextlib.suppress(OSError):  # what reading gives when the other side is closed
        while True:
            yield os.read(terminal, 1 << 16)
