"""Names and folders of the bench, and the one way in which it calls programs."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

LABEL = "devbox.rehearsal"
NETWORK = "devbox-rehearsal"
SUBNET = "172.29.77"
STATE = Path("/var/lib/devbox-rehearsal")
RUN = Path("/run/devbox-rehearsal")
SOCKET = RUN / "docker.sock"


class BenchError(Exception):
    """The bench cannot do what was asked; the message says what is missing."""


def cache() -> Path:
    """Where root file systems and the SSH key are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "devbox" / "rehearsal"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def call(
    words: Sequence[str], *, stdin: bytes | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; its output is text. A failure is a `BenchError` with what it said."""
    given = subprocess.DEVNULL if stdin is None else None
    try:
        done = subprocess.run(list(words), input=stdin, stdin=given, capture_output=True)
    except FileNotFoundError as error:
        raise BenchError(f"{words[0]} is not installed") from error
    text = subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )
    if check and text.returncode:
        raise BenchError(f"{' '.join(words[:4])} …: {(text.stderr or text.stdout).strip()[-600:]}")
    return text


def as_root(words: Sequence[str]) -> list[str]:
    """The same command as root: as it is, or through sudo where that asks nothing."""
    if os.geteuid() == 0:
        return list(words)
    if not shutil.which("sudo"):
        raise BenchError("rehearsal hosts need root, and sudo is not installed: run this as root")
    if call(["sudo", "-n", "true"], check=False).returncode:
        raise BenchError("rehearsal hosts need root, and sudo asks for a password: type `sudo -v` first")
    return ["sudo", "-n", *words]


def exists(path: Path) -> bool:
    """Whether a file of root's is there; asked as root where its folder is closed to us."""
    try:
        return path.exists()
    except PermissionError:
        return call(as_root(["test", "-e", str(path)]), check=False).returncode == 0


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Only one process at a time does `name` (allocating addresses, building an image, starting dockerd)."""
    with (cache() / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
