"""Chaos: random work on a tree while link and host break and our process dies; at last both sides agree.

The process under test is a real one (`chaos_process`), so that SIGKILL is SIGKILL; its server is OpenSSH's
own sftp-server, or the helper, over pipes, so that a seed takes seconds. A reader hashes remote files all the
while: each must be one that the local tree had at some time, whole. Some files exist all the time here, and
are only ever overwritten or replaced: for the reader there, none of them may ever be missing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from devbox.sync.control import ask
from devbox.sync.index import Index
from tests.sync.chaos_hand import STEADY, Hand, picture

KILL = "kill"
_FAULTS = {KILL: 10, "cut": 6, "black hole": 2, "slow link": 4, "full disk": 4, "host restarts": 2}
"""How often each comes, in a thousand operations."""
_PAUSES = 130
"""So many of a thousand operations are followed by a pause."""
_TOP = Path(__file__).parents[2]


class Reader(threading.Thread):
    """Hashes remote files in a loop. What it reads must be a content that was `written`, whole.

    A steady file that was seen once must be there ever after.
    """

    def __init__(self, root: Path, written: Collection[str]) -> None:
        super().__init__(daemon=True)
        self.root, self.written = root, written
        self.reads = self.steady_reads = 0
        self.torn: list[str] = []
        self.missing: list[str] = []
        self._seen: set[str] = set()
        self.stop = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.stop.is_set():
            for folder, _names, files in os.walk(self.root):
                for name in files:
                    self.read(Path(folder, name))
                for name in STEADY:
                    self.read_steady(name)
            time.sleep(0.001)

    def read(self, path: Path) -> bool:
        """Whether it could be read."""
        with contextlib.suppress(OSError):
            if not path.is_symlink():
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                self.reads += 1
                if digest not in self.written:
                    self.torn.append(str(path))
                return True
        return False

    def read_steady(self, name: str) -> None:
        if self.read(self.root / name):
            self._seen.add(name)
            self.steady_reads += 1
        elif name in self._seen:
            self.missing.append(name)


@dataclass
class Result:
    seed: int
    reads: int
    steady_reads: int
    """How many of them were of files that must never be missing."""
    torn: list[str]
    missing: list[str]
    faults: Counter[str]
    mismatches: list[str]
    index: list[str]
    ended: list[str]
    """Why the watching process ended by itself: nothing that happens here is a reason."""
    seconds: float

    @property
    def good(self) -> bool:
        return not (self.torn or self.missing or self.mismatches or self.index or self.ended)


def run_seed(seed: int, operations: int, base: Path) -> Result:
    """One seed from an empty tree to quiet; `base` is an empty folder. Odd seeds go through the helper."""
    lane = "helper" if seed % 2 else "sftp"
    start, choose = time.monotonic(), random.Random(seed)
    here, there, state = base / "here", base / "there", base / "state"
    here.mkdir()
    (here / ".gitignore").write_text("*.ignored\n")
    hand = Hand(here, choose)
    # Empty is what a file is between open(2) with O_TRUNC and its write(2), for local readers as well.
    hand.written |= {hashlib.sha256(data).hexdigest() for data in (b"*.ignored\n", b"")}
    hand.make_steady()
    reader, child, faults = Reader(there, hand.written), _spawn(here, there, state, lane), Counter[str]()
    for _ in range(operations):
        hand.work()
        fault = _chosen(choose.random() * 1000)
        if fault == KILL:
            child.send_signal(signal.SIGKILL)
            child.wait()
            child = _spawn(here, there, state, lane)
        if fault == KILL or (fault and _break(state, fault)):
            faults[fault] += 1
        elif choose.random() * 1000 < _PAUSES:
            time.sleep(choose.random() * 0.03)
    mismatches = _quiet(here, there, state)
    child.send_signal(signal.SIGKILL)
    child.wait()
    reader.stop.set()
    reader.join()
    wrong = _index(here, state)
    read = reader.reads, reader.steady_reads, reader.torn, reader.missing
    return Result(seed, *read, faults, mismatches, wrong, _ended(state), time.monotonic() - start)


def _chosen(chance: float) -> str:
    """The fault that comes at that chance (0 to 1000); mostly none."""
    for fault, often in _FAULTS.items():
        chance -= often
        if chance < 0:
            return fault
    return ""


def _spawn(here: Path, there: Path, state: Path, lane: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.sync.chaos_process", str(here), str(there), str(state), lane]
    environment = {**os.environ, "PYTHONPATH": str(_TOP)}
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=here.parent, env=environment)


def _break(state: Path, fault: str) -> bool:
    """Let it happen; the child may have to come up first."""
    end = time.monotonic() + 2
    while time.monotonic() < end:
        answer = ask(state, fault, timeout=5)
        if answer and answer["happened"]:
            return True
        time.sleep(0.02)
    return False


def _quiet(here: Path, there: Path, state: Path) -> list[str]:
    """Wait until a flush says all is there; what differs then."""
    end = time.monotonic() + 60
    answer = None
    while time.monotonic() < end:
        answer = ask(state, "flush", timeout=30)
        if answer and answer["state"] == "in step" and picture(here) == picture(there):
            return []
        time.sleep(0.02)
    one, other = picture(here), picture(there)
    wrong = [repr(path) for path in {*one, *other} if one.get(path) != other.get(path)]
    return [*wrong, f"the watching process says {answer}"]


def _ended(state: Path) -> list[str]:
    lines = map(json.loads, (state / "events.jsonl").read_text().splitlines())
    return [line[3] for line in lines if line[2] == "ended"]


def _index(here: Path, state: Path) -> list[str]:
    """Paths where the index says something else than the tree."""
    index = Index(state / "index.sqlite")
    known, real = index.records(), picture(here)
    index.close()
    return [repr(path) for path in {*known, *real} if (path in known) != (path in real)]
