"""`scripts/bench sync`: devbox beside its peers, in one run, medians. Needs sshd; peers come from Debian.

Every figure is of the whole command, from start to exit, unless it says otherwise.
"""

from __future__ import annotations

import argparse
import resource
import shlex
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench import _peers as peers
from tests.bench import _trees as trees
from tests.bench._ground import FULL, NARROW, Ground, Watched, command, equal, ground, grow, until
from tests.bench._rows import Run, Wish, compare, row

WHAT = ("first", "nothing", "saves", "checkout", "big", "rename", "detect", "idle")


def first(at: Ground, wish: Wish) -> None:
    here = at.fresh("tree")
    grow(here, wish.files)
    for rtt in (0, 50):
        at.delay(rtt)

        def ours(host: str) -> float:
            there = at.fresh("d") / "root"
            taken = command(host, here, there)
            equal(here, there)
            return taken

        runs: dict[str, tuple[Run, str]] = {
            "rsync": (lambda: peers.rsync(at, here, at.fresh("r")), ""),
            "devbox sync": (lambda: ours(FULL), "(reach 0.80x)"),
            "devbox sync, SFTP only": (lambda: ours(NARROW), "(reach 2.50x)"),
            "tar over ssh": (lambda: peers.tar(at, here, at.fresh("t")), ""),
            "scp -r": (lambda: peers.scp(at, here, at.fresh("s")), ""),
            "unison": (lambda: peers.unison(at, here, at.fresh("u")), ""),
            "rclone": (lambda: peers.rclone(at, here, at.fresh("c")), ""),
            "serial put (reckoned up)": (lambda: peers.serial_put(at, here, at.fresh("p") / "root"), ""),
        }
        compare(f"first sync, {wish.files} files", rtt, runs, wish.rounds)


def nothing(at: Ground, wish: Wish) -> None:
    for files in (wish.files, wish.files * 10):
        here, ours, theirs = at.fresh("tree"), at.fresh("d") / "root", at.fresh("r")
        grow(here, files)
        at.delay(0)
        command(FULL, here, ours)
        peers.rsync(at, here, theirs)
        for rtt in (0, 50):
            at.delay(rtt)
            runs: dict[str, tuple[Run, str]] = {
                "rsync": (lambda here=here, theirs=theirs: peers.rsync(at, here, theirs), ""),
                "devbox sync": (lambda here=here, ours=ours: command(FULL, here, ours), "(reach 1.00x)"),
            }
            compare(f"nothing to do, {files} files", rtt, runs, max(wish.rounds, 3))
        victim = next(path for path in sorted(ours.rglob("*.py")))
        victim.write_text("changed behind our back")
        command(FULL, here, ours, expected=4)
        row(f"one changed there, {files} files", 50, "devbox sync", "reported", "exit code 4")


def saves(at: Ground, wish: Wish) -> None:
    for rtt in (0, 20, 50):
        at.delay(rtt)
        for host, lane, factor in ((FULL, "devbox", 0.5), (NARROW, "devbox, SFTP only", 1.5)):
            here, there = at.fresh("here"), at.fresh("there") / "root"
            grow(here, 200)
            (here / "app.py").write_text("0")
            with Watched(at, host, here, there):
                times = _saves(here, there, wish.saves)
            last = (1.5 if host == FULL else 3) * rtt + 50
            _percentiles(rtt, lane, times, f"(reach {factor * rtt + 15:.0f} and {last:.0f})")
        for name, watch in (
            ("lsyncd, delay 0", peers.lsyncd),
            ("rsync in an inotify loop", peers.rsync_loop),
            ("unison -repeat 1", peers.unison_repeat),
        ):
            here, there = at.fresh("here"), at.fresh("there")
            grow(here, 200)
            (here / "app.py").write_text("0")
            peers.rsync(at, here, there)
            with watch(at, here, there):
                time.sleep(3)
                _percentiles(rtt, name, _saves(here, there, max(wish.saves // 10, 3), 1.5), "")


def _percentiles(rtt: float, name: str, times: list[float], beside: str) -> None:
    p50, p99 = statistics.median(times) * 1000, sorted(times)[int(len(times) * 0.99)] * 1000
    row("save -> visible", rtt, name, f"p50 {p50:.1f} ms", f"p99 {p99:.1f} ms {beside}")


def _saves(here: Path, there: Path, count: int, pause: float = 0.15) -> list[float]:
    file, seen, times = here / "app.py", there / "app.py", []
    for number in range(count):
        time.sleep(pause)
        text = f"version {number}"
        file.write_text(text)
        times.append(until(lambda text=text: seen.exists() and seen.read_text() == text))  # type: ignore[misc]
    return times


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench sync", description=__doc__)
    parser.add_argument("--only", choices=WHAT, action="append", help="this part; may be repeated")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--saves", type=int, default=60)
    parser.add_argument("--megabytes", type=int, default=512)
    asked = parser.parse_args()
    wish = Wish(asked.files, asked.rounds, asked.saves, asked.megabytes)
    print(shlex.join(sys.argv))
    peers.install()
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    parts: dict[str, Callable[[Ground, Wish], None]] = {
        "first": first,
        "nothing": nothing,
        "saves": saves,
        "checkout": trees.checkout,
        "big": trees.big,
        "rename": trees.rename,
        "detect": trees.detect,
        "idle": trees.idle,
    }
    with ground() as at:
        for name in asked.only or WHAT:
            parts[name](at, wish)


if __name__ == "__main__":
    main()
