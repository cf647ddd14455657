"""`scripts/bench sync`: devbox beside rsync, in one run, medians. Needs sshd and rsync.

The host is an OpenSSH server of our own on 127.0.0.1 behind the delay proxy: both sides share 2 cores and
one disk: the figures compare lanes and tools with each other, not with a real network.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from devbox import wiring
from devbox.adapters.helper.best import BestTree
from devbox.adapters.helper.program import COMMAND
from devbox.adapters.sftp.over import OverSsh
from devbox.adapters.sftp.tree import SftpTree
from devbox.ports.events import Event
from devbox.ports.tree import Tree
from devbox.sync.place import Place
from devbox.sync.session import Session
from tests.rehearsal.proxy import Proxy
from tests.ssh.sshd import Sshd, sshd


@dataclass(frozen=True)
class Ground:
    """A server behind a delay, and folders to work in."""

    base: Path
    server: Sshd
    proxy: Proxy
    config: Path

    def connect(self, there: Path, lane: str) -> Callable[[], Tree]:
        def opened() -> Tree:
            link = wiring.open_host("far")
            sftp = lambda: OverSsh(link.open_sftp_channel())  # noqa: E731 - opened by either
            if lane == "sftp":
                return SftpTree(sftp(), str(there), "far")
            return BestTree(lambda: OverSsh(link.open_exec(COMMAND)), sftp, str(there), "far")

        return opened

    def fresh(self, name: str) -> Path:
        folder = self.base / f"{name}-{time.monotonic_ns()}"
        folder.mkdir()
        return folder


@contextlib.contextmanager
def ground() -> Iterator[Ground]:
    with contextlib.ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="devbox-bench-")))
        server = stack.enter_context(sshd(base / "sshd"))
        proxy = stack.enter_context(Proxy(("127.0.0.1", server.port)))
        known = base / "known_hosts"
        known.write_text(f"[127.0.0.1]:{proxy.port} {server.public_host_key()}\n")
        config = base / "ssh_config"
        config.write_text(server.stanza("far", f"Port {proxy.port}", f"UserKnownHostsFile {known}"))
        os.environ["DEVBOX_SSH_CONFIG"] = str(config)
        os.environ["XDG_STATE_HOME"] = str(base / "state-home")
        os.environ.pop("SSH_AUTH_SOCK", None)
        yield Ground(base, server, proxy, config)


def grow(root: Path, files: int) -> None:
    """So many small files (0.5 to 5 kB), fifty to a folder."""
    for number in range(files):
        folder = root / f"pkg{number // 1000}" / f"mod{number // 50 % 20}"
        if number % 50 == 0:
            folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}.py").write_bytes(os.urandom(256) * (2 + number % 18))


def rsync(at: Ground, here: Path, there: Path) -> float:
    shell = f"ssh -F {at.config} -o StrictHostKeyChecking=yes"
    start = time.perf_counter()
    subprocess.run(["rsync", "-a", "--delete", "-e", shell, f"{here}/", f"far:{there}/"], check=True)
    return time.perf_counter() - start


def command(at: Ground, project: Path) -> float:
    """The whole `devbox sync`, from start to exit."""
    start = time.perf_counter()
    words = [sys.executable, "-m", "devbox", "-q", "-C", str(project), "sync"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def session_run(at: Ground, here: Path, there: Path, lane: str) -> float:
    """One pass with connecting, in a Python that runs already."""
    place = Place(os.fsencode(here), str(there), "far", at.fresh("state"))
    start = time.perf_counter()
    session = Session(place, at.connect(there, lane), lambda event: None)
    session.run_once()
    seconds = time.perf_counter() - start
    session.close()
    return seconds


def first_sync(at: Ground, files: int, rounds: int) -> None:
    here = at.fresh("tree")
    grow(here, files)
    rows: list[list[str]] = []
    for rtt in (0, 50):
        at.proxy.delay = rtt / 2000
        taken: dict[str, list[float]] = {name: [] for name in ("rsync", "devbox sync", "sftp only, session")}
        for _ in range(rounds):
            taken["rsync"].append(rsync(at, here, at.fresh("r")))
            there = at.fresh("d") / "root"
            (here / "devbox.yaml").write_text(f"name: b\nhost: far\nsync: [{{local: ., remote: {there}}}]\n")
            taken["devbox sync"].append(command(at, here))
            _equal(here, there)
            again = command(at, here)
            (here / "devbox.yaml").unlink()
            taken["sftp only, session"].append(session_run(at, here, at.fresh("s") / "root", "sftp"))
        base = statistics.median(taken["rsync"])
        for name, values in taken.items():
            value = statistics.median(values)
            rows.append(
                [f"first sync, {files} files", f"{rtt} ms", name, f"{value:.2f} s", f"{value / base:.2f}x"]
            )
        rows.append([f"nothing to do, {files} files", f"{rtt} ms", "devbox sync", f"{again:.2f} s", ""])
        quiet = rsync(at, here, there)
        rows.append([f"nothing to do, {files} files", f"{rtt} ms", "rsync", f"{quiet:.2f} s", ""])
    table(rows)


def saves(at: Ground, count: int) -> None:
    rows: list[list[str]] = []
    for rtt in (0, 20, 50):
        at.proxy.delay = rtt / 2000
        for lane in ("helper", "sftp"):
            times = _saves(at, lane, count)
            p50, p99 = statistics.median(times) * 1000, sorted(times)[int(len(times) * 0.99)] * 1000
            limit = (0.5 if lane == "helper" else 1.5) * rtt + 15
            rows.append(
                [
                    "save -> visible",
                    f"{rtt} ms",
                    lane,
                    f"p50 {p50:.1f} ms",
                    f"p99 {p99:.1f} ms, reach {limit:.0f}",
                ]
            )
    table(rows)


def _saves(at: Ground, lane: str, count: int) -> list[float]:
    here, there = at.fresh("here"), at.fresh("there") / "root"
    grow(here, 200)
    file, seen = here / "app.py", there / "app.py"
    file.write_text("0")
    ready, stop = threading.Event(), threading.Event()

    def listen(event: Event) -> None:
        if event.kind == "sync.ready":
            ready.set()

    session = Session(
        Place(os.fsencode(here), str(there), "far", at.fresh("state")), at.connect(there, lane), listen
    )
    thread = threading.Thread(target=session.watch, args=(wiring.watch, stop))
    thread.start()
    ready.wait(30)
    times = []
    for number in range(count):
        time.sleep(0.15)
        text = f"version {number}"
        start = time.perf_counter()
        file.write_text(text)
        while seen.read_text() != text:
            time.sleep(0.0005)
        times.append(time.perf_counter() - start)
    stop.set()
    session.wake()
    thread.join()
    session.close()
    return times


def _equal(here: Path, there: Path) -> None:
    """The figures of a tool that did not do its work are worth nothing."""
    done = subprocess.run(["diff", "-r", str(here), str(there)], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[:300]


def table(rows: list[list[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench sync", description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--saves", type=int, default=60)
    wish = parser.parse_args()
    print(shlex.join(sys.argv))
    with ground() as at:
        first_sync(at, wish.files, wish.rounds)
        saves(at, wish.saves)


if __name__ == "__main__":
    main()
