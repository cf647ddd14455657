"""The outer daemon: the machine's own when it answers, else one of ours, started and stopped by hand."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from pathlib import Path

from tests.rehearsal.places import RUN, SOCKET, STATE, SUBNET, BenchError, as_root, call, exists, lock

_PID = RUN / "dockerd.pid"
_EXEC = RUN / "docker"
_LOG = STATE / "dockerd.log"


def docker(*words: str, stdin: bytes | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """`docker WORDS` against the outer daemon."""
    return call([*client(), *words], stdin=stdin, check=check)


def client() -> list[str]:
    """The words that reach the outer daemon: ours when it runs, else the machine's."""
    return as_root(["docker", "-H", f"unix://{SOCKET}"]) if exists(SOCKET) else ["docker"]


def answers(words: list[str]) -> bool:
    """Whether a daemon answers there."""
    return call([*words, "version", "--format", "{{.Server.Version}}"], check=False).returncode == 0


def ours() -> int | None:
    """The process id of our own dockerd, if it lives."""
    return owner(_PID, "dockerd")


def start() -> str:
    """Make sure that a daemon answers; returns what was done."""
    if not shutil.which("docker"):
        raise BenchError("docker is not installed: apt-get install docker.io")
    with lock("daemon"):
        if exists(SOCKET) and answers(client()):
            return f"our dockerd answers on {SOCKET}"
        _sweep()
        if answers(["docker"]):
            return "the machine's dockerd answers"
        _launch()
        return f"started dockerd on {SOCKET}"


def status() -> tuple[bool, str]:
    """Whether a daemon answers, and which it is."""
    if not shutil.which("docker"):
        return False, "docker is not installed"
    words = client()
    if not answers(words):
        return False, "no daemon answers"
    version = call([*words, "version", "--format", "{{.Server.Version}}"]).stdout.strip()
    whose = f"our own, pid {ours()}, on {SOCKET}" if exists(SOCKET) else "the machine's"
    return True, f"Docker {version} answers ({whose})"


def _launch() -> None:
    if not shutil.which("dockerd"):
        raise BenchError("dockerd is not installed: apt-get install docker.io")
    _sweep_bridges()
    call(as_root(["install", "-d", "-m", "755", str(STATE), str(RUN)]))
    words = ["dockerd", "--data-root", str(STATE / "docker"), "--exec-root", str(_EXEC)]
    words += ["--pidfile", str(_PID), "-H", f"unix://{SOCKET}", "--group", "root"]
    # A session of its own with no file of ours: it outlives the shell that asked, until `daemon stop`.
    line = f"cd /; exec setsid {shlex.join(words)} </dev/null >{shlex.quote(str(_LOG))} 2>&1 &"
    call(as_root(["sh", "-c", line]))
    for attempt in range(300):
        if exists(SOCKET) and answers(client()):
            return
        if attempt > 20 and ours() is None:
            break
        time.sleep(0.1)
    tail = call(as_root(["tail", "-n", "5", str(_LOG)]), check=False).stdout.strip().splitlines()
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
        end(pid)
        _sweep()
        return "stopped our dockerd"


def _sweep() -> None:
    """Remove what a killed dockerd leaves: its containerd, stale pid files, the socket."""
    for pid_file, program in ((_PID, "dockerd"), (_EXEC / "containerd" / "containerd.pid", "containerd")):
        pid = owner(pid_file, program)
        if pid is not None:
            end(pid)
        if exists(pid_file):
            call(as_root(["rm", "-f", str(pid_file)]))
    if exists(SOCKET):
        call(as_root(["rm", "-f", str(SOCKET)]))


def _sweep_bridges() -> None:
    """Remove our network's bridges: dockerd makes those that it knows anew. One whose dockerd lost its state
    would stay, share the subnet with the next one's and take its traffic."""
    if not shutil.which("ip"):
        return
    for line in call(["ip", "-o", "-4", "addr", "show"], check=False).stdout.splitlines():
        name, address = line.split()[1], line.split()[3]
        if name.startswith("br-") and address == f"{SUBNET}.1/24":
            call(as_root(["ip", "link", "delete", name]), check=False)
            rule = f"-s {SUBNET}.0/24 ! -o {name} -j MASQUERADE"
            call(as_root(["iptables", "-t", "nat", "-D", "POSTROUTING", *rule.split()]), check=False)


def owner(pid_file: Path, program: str) -> int | None:
    """The process of a pid file, if it is still the program we started there and not a recycled number."""
    try:
        pid = int(pid_file.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (OSError, ValueError):
        return None
    return pid if Path(words[0]).name == program and any(str(RUN) in word for word in words) else None


def end(pid: int) -> None:
    """End a process and wait for it; one that does not listen within 20 seconds is killed."""
    call(as_root(["kill", str(pid)]), check=False)
    for _ in range(200):
        if not _lives(pid):
            return
        time.sleep(0.1)
    call(as_root(["kill", "-KILL", str(pid)]), check=False)


def _lives(pid: int) -> bool:
    """Whether the process runs; one that only waits for its parent to notice its end does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
