"""The parts of `scripts/bench sync` about large things: trees, files, folders."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from pathlib import Path

from devbox.adapters.inotify import Inotify
from tests.bench import _peers as peers
from tests.bench._ground import FULL, Ground, Watched, command, devbox, equal, grow, until
from tests.bench._rows import Run, Wish, compare, row, seconds


def checkout(at: Ground, wish: Wish) -> None:
    """Two versions of a tree with 1,200 paths between them, exchanged as `git checkout` does, under watch."""
    at.delay(20)
    work = at.fresh("git")
    grow(work, 6000)
    git = ["git", "-C", str(work), "-c", "user.name=b", "-c", "user.email=b@b", "-c", "gc.auto=0"]
    _two_versions(git, work)
    there = at.fresh("d") / "root"
    with Watched(at, FULL, work, there):
        times = []
        for _ in range(max(wish.rounds, 3)):
            for version in ("one", "two"):
                start = time.perf_counter()
                subprocess.run([*git, "checkout", "-q", version], check=True)
                until(lambda: _as_here(work, there))
                times.append(time.perf_counter() - start)
    theirs = at.fresh("r")
    loop = []
    for _ in range(max(wish.rounds, 3)):
        for version in ("one", "two"):
            start = time.perf_counter()
            subprocess.run([*git, "checkout", "-q", version], check=True)
            peers.rsync(at, work, theirs)
            loop.append(time.perf_counter() - start)
    base = statistics.median(loop[1:])
    row("git checkout, 1,200 paths", 20, "rsync, once, at once", seconds(base), "1.00x")
    row(
        "",
        20,
        "devbox sync --watch",
        seconds(statistics.median(times)),
        f"{statistics.median(times) / base:.2f}x (reach 1.00x)",
    )


def _two_versions(git: list[str], work: Path) -> None:
    subprocess.run([*git, "init", "-q"], check=True)
    for version in ("one", "two"):
        for number, path in enumerate(sorted(work.rglob("*.py"))):
            if version == "two" and number % 5 == 0:
                path.unlink() if number % 50 == 0 else path.write_text(f"# {version} {number}\n" * 40)
        (work / f"only-{version}").mkdir()
        (work / f"only-{version}" / "new.py").write_text(version)
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", version], check=True)
        subprocess.run([*git, "tag", version], check=True)


def _as_here(here: Path, there: Path) -> bool:
    argv = ["diff", "-rq", "-x", ".git", str(here), str(there)]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def big(at: Ground, wish: Wish) -> None:
    here, size = at.fresh("big"), wish.megabytes << 20
    file = here / "data.bin"
    with file.open("wb") as out:
        for _ in range(wish.megabytes):
            out.write(os.urandom(1 << 20))
    at.delay(0)
    ours, theirs = at.fresh("d") / "root", at.fresh("r")
    runs: dict[str, tuple[Run, str]] = {
        "rsync": (lambda: peers.rsync(at, here, theirs), ""),
        "devbox sync": (lambda: command(FULL, here, ours), "(reach 1.00x)"),
    }
    compare(f"{wish.megabytes} MB file", 0, runs, 1)
    for name, (run, reach) in runs.items():
        with file.open("r+b") as out:
            out.seek(size // 2)
            out.write(os.urandom(8))
        before = at.sent()
        taken = run()
        sent = (at.sent() - before) / 1e6
        row(
            "  a few bytes changed in it",
            0,
            name,
            seconds(taken),
            f"{sent:.2f} MB sent" + (" (reach 1)" if reach else ""),
        )
    equal(here, ours)


def rename(at: Ground, wish: Wish) -> None:
    for rtt in (0, 50):
        at.delay(rtt)
        here, there = at.fresh("here"), at.fresh("d") / "root"
        grow(here / "a", 5000)
        grow(here / "other", 200)
        times = []
        with Watched(at, FULL, here, there):
            time.sleep(1)
            for old, new in (("a", "b"), ("b", "a"), ("a", "c")):
                inode = (there / old).stat().st_ino
                os.rename(here / old, here / new)
                times.append(_moved(there / old, there / new))
                assert (there / new).stat().st_ino == inode, "it was copied, not renamed"
                time.sleep(1)
        row(
            "folder of 5,000 renamed",
            rtt,
            "devbox",
            f"{statistics.median(times) * 1000:.0f} ms",
            f"(reach {2 * rtt + 50})",
        )


def _moved(old: Path, new: Path) -> float:
    return until(lambda: new.exists() and not old.exists())


def detect(at: Ground, wish: Wish) -> None:
    """From a save to its event, in trees of different size: nothing but the watcher."""
    for files in (1000, wish.files * 10):
        here = at.fresh("here")
        grow(here, files)
        watcher = Inotify(os.fsencode(here), lambda path, folder: False)
        times = []
        for number in range(200):
            start = time.perf_counter()
            (here / "pkg0/mod0/f1.py").write_text(str(number))
            while not watcher.wait(1).ready:
                continue
            times.append((time.perf_counter() - start) * 1000)
        watcher.close()
        row(f"detection, {files} files", 0, "devbox", f"p99 {sorted(times)[-2]:.2f} ms", "(reach 10)")


def idle(at: Ground, wish: Wish) -> None:
    here, there = at.fresh("here"), at.fresh("d") / "root"
    grow(here, wish.files * 10)
    at.delay(0)
    command(FULL, here, there)
    argv = [*devbox(FULL, here, there), "sync", "--watch"]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(20)
    before = _ticks(process.pid)
    time.sleep(20)
    share = (_ticks(process.pid) - before) / os.sysconf("SC_CLK_TCK") / 20 * 100
    status = Path(f"/proc/{process.pid}/status").read_text()
    resident = int(status.partition("VmRSS:")[2].split()[0]) / 1024
    process.terminate()
    process.wait()
    row(
        f"idle, {wish.files * 10} files",
        0,
        "devbox",
        f"{share:.2f} % CPU",
        f"{resident:.0f} MB (reach 0.2 and 80)",
    )


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
