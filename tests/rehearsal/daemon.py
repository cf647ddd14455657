"""The outer daemon: the machine's own when it answers, else one of ours, started and stopped by hand."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.rehearsal.places import RUN, SOCKET, STATE, BenchError, call, lock

_PID = RUN / "dockerd.pid"
_EXEC = RUN / "docker"


def docker(*words: str, stdin: bytes | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """`docker WORDS` against the outer daemon."""
    return call([*client(), *words], stdin=stdin, check=check)


def client() -> list[str]:
    """The words that reach the outer daemon: ours when it runs, else the machine's."""
    return ["docker", "-H", f"unix://{SOCKET}"] if SOCKET.exists() else ["docker"]


def answers(words: list[str]) -> bool:
    """Whether a daemon answers there."""
    return call([*words, "version", "--format", "{{.Server.Version}}"], check=False).returncode == 0


def ours() -> int | None:
    """The process id of our own dockerd, if it lives."""
    return _owner(_PID, "dockerd")


def start() -> str:
    """Make sure that a daemon answers; returns what was done."""
    if not shutil.which("docker"):
        raise BenchError("docker is not installed: apt-get install docker.io")
    with lock("daemon"):
        if SOCKET.exists() and answers(client()):
            return f"our dockerd answers on {SOCKET}"
        _sweep()
        if answers(["docker"]):
            return "the machine's dockerd answers"
        _launch()
        return f"started dockerd on {SOCKET}"


def _launch() -> None:
    if os.geteuid() != 0:
        raise BenchError("no Docker daemon answers, and starting one needs root")
    if not shutil.which("dockerd"):
        raise BenchError("dockerd is not installed: apt-get install docker.io")
    STATE.mkdir(parents=True, exist_ok=True)
    words = ["dockerd", "--data-root", str(STATE / "docker"), "--exec-root", str(_EXEC)]
    words += ["--pidfile", str(_PID), "-H", f"unix://{SOCKET}", "--group", "root"]
    with (STATE / "dockerd.log").open("wb") as log:
        # A session of its own: it must outlive the shell that asked for it, until `daemon stop`.
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    for _ in range(300):
        if answers(client()) and SOCKET.exists():
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    tail = (STATE / "dockerd.log").read_text(errors="replace").strip().splitlines()[-5:]
    raise BenchError("dockerd does not start:\n  " + "\n  ".join(tail))


def stop() -> str:
    """Stop our own dockerd, and whatever it left; the machine's is not touched."""
    with lock("daemon"):
        pid = ours()
        if pid is None:
            _sweep()
            return "no dockerd of ours runs"
        running = docker("ps", "-q", check=False).stdout.split()
        if running:
            docker("rm", "-f", "-v", *running, check=False)
        _end(pid)
        _sweep()
        return "stopped our dockerd"


def _sweep() -> None:
    """Remove what a killed dockerd leaves: its containerd, stale pid files, the socket."""
    for pid_file, program in ((_PID, "dockerd"), (_EXEC / "containerd" / "containerd.pid", "containerd")):
        pid = _owner(pid_file, program)
        if pid is not None:
            _end(pid)
        pid_file.unlink(missing_ok=True)
    SOCKET.unlink(missing_ok=True)


def _owner(pid_file: Path, program: str) -> int | None:
    """The process of a pid file, if it is still the program we started there and not a recycled number."""
    try:
        pid = int(pid_file.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (OSError, ValueError):
        return None
    return pid if Path(words[0]).name == program and any(str(RUN) in word for word in words) else None


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        for _ in range(200):
            os.kill(pid, 0)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
