"""Running local programs: argv in, text out, one kind of failure.

Only for programs of this machine (`git`, `ssh -G`, the Docker CLI). What runs on the host is a `Script` of
`devbox.ports.host`.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devbox.errors import DevboxError


@dataclass(frozen=True, slots=True)
class Completed:
    """What a finished program left: its exit code and what it wrote, undecoded bytes replaced."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.code == 0


def available(program: str) -> bool:
    """Whether the program is on PATH."""
    return shutil.which(program) is not None


def run(
    argv: Sequence[str], *, stdin: str = "", cwd: str | None = None, env: Mapping[str, str] | None = None
) -> Completed:
    """Run to the end; a non-zero exit code is an answer, a missing program is a `DevboxError`."""
    try:
        done = subprocess.run(
            list(argv), input=stdin.encode(), capture_output=True, cwd=cwd, env=dict(env) if env else None
        )
    except OSError as error:
        raise DevboxError(f"cannot run {argv[0]}", why=str(error)) from error
    return Completed(
        tuple(argv),
        done.returncode,
        done.stdout.decode(errors="replace"),
        done.stderr.decode(errors="replace"),
    )
