"""Chaos: random work on a tree while link and host break and our process dies; at last both sides agree.

The process under test is a real one (`chaos_process`), so that SIGKILL is SIGKILL; its server is OpenSSH's
own sftp-server, or the helper, over pipes, so that a seed takes seconds. A reader hashes remote files all the
while: each must be one that the local tree had at some time, whole.
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
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from devbox.sync.control import ask
from devbox.sync.index import Index

KILL = "kill"
_FAULTS = {KILL: 10, "cut": 6, "black hole": 2, "slow link": 4, "full disk": 4, "host restarts": 2}
"""How often each comes, in a thousand operations."""
_PAUSES = 130
"""So many of a thousand operations are followed by a pause."""
_TOP = Path(__file__).parents[2]
_NAMES = ["a", "b", "c.py", "d.py", "e e", "f\nf", "é", "deep", "pkg", "x.bin"]


def picture(root: Path) -> dict[bytes, object]:
    """Everything below, but for what the rules of this chaos ignore."""
    found: dict[bytes, object] = {}
    top = os.fsencode(root)
    for folder, names, files in os.walk(top):
        for name in names + files:
            path = os.path.join(folder, name)
            key = os.path.relpath(path, top)
            if name.endswith(b".ignored"):
                continue
            if os.path.islink(path):
                found[key] = os.readlink(path)
            elif os.path.isdir(path):
                found[key] = "folder"
            else:
                content = Path(os.fsdecode(path)).read_bytes()
                found[key] = (hashlib.sha256(content).hexdigest(), bool(os.stat(path).st_mode & 0o100))
    return found


@dataclass
class Hand:
    """Does what people and their tools do to a tree. Every content it writes is remembered."""

    root: Path
    choose: random.Random
    written: set[str] = field(default_factory=set)
    count: int = 0

    def work(self) -> None:
        """One random operation; one that is impossible just now does nothing."""
        operations: list[Callable[[], None]] = [
            *[self.save] * 4,
            *[self.create] * 3,
            *[self.safe_write] * 3,
            self.make_folder,
            self.rename,
            self.rename,
            self.swap,
            self.chmod,
            self.link,
            self.delete,
            self.delete,
            self.delete_folder,
            self.backup_write,
        ]
        with contextlib.suppress(OSError):
            self.choose.choice(operations)()

    def content(self, sizes: list[int]) -> bytes:
        self.count += 1
        size = self.choose.choice(sizes)
        data = (b"%d %d " % (self.choose.randrange(10**9), self.count) * (size // 8 + 1))[:size]
        self.written.add(hashlib.sha256(data).hexdigest())
        return data

    def folders(self) -> list[Path]:
        return [self.root, *sorted(p for p in self.root.rglob("*") if p.is_dir() and not p.is_symlink())]

    def files(self) -> list[Path]:
        found = (p for p in self.root.rglob("*") if p.is_file() and not p.is_symlink())
        return sorted(p for p in found if p.name != ".gitignore")

    def somewhere(self) -> Path:
        return self.choose.choice(self.folders()) / self.choose.choice(_NAMES)

    def some_file(self) -> Path:
        files = self.files()
        if not files:
            raise FileNotFoundError
        return self.choose.choice(files)

    def write(self, path: Path, *more: int) -> None:
        # In one write(2) of less than a page: whoever writes more into a file in place may be seen in
        # between, here as well as there. Large contents come by rename.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
        try:
            os.write(handle, self.content([0, 1, 20, 20, 500, *more]))
        finally:
            os.close(handle)

    def save(self) -> None:
        self.write(self.some_file())

    def create(self) -> None:
        self.write(self.somewhere())

    def safe_write(self) -> None:
        target = self.some_file()
        staged = target.with_name(target.name + ".ignored")
        self.write(staged, 40_000, 300_000)
        os.replace(staged, target)

    def backup_write(self) -> None:
        """As vim does with `backupcopy=no`: the old file steps aside, a new one takes its name."""
        target = self.some_file()
        backup = target.with_name(target.name + "~")
        os.rename(target, backup)
        self.write(target)
        os.unlink(backup)

    def make_folder(self) -> None:
        path = self.somewhere()
        if len(path.relative_to(self.root).parts) < 5:
            path.mkdir()

    def rename(self) -> None:
        sources = [*self.files(), *self.folders()[1:]]
        if sources:
            os.rename(self.choose.choice(sources), self.somewhere())

    def swap(self) -> None:
        one, other = self.some_file(), self.some_file()
        aside = self.root / "aside.ignored"
        os.rename(one, aside)
        os.rename(other, one)
        os.rename(aside, other)

    def chmod(self) -> None:
        self.some_file().chmod(self.choose.choice([0o644, 0o755]))

    def link(self) -> None:
        self.somewhere().symlink_to(self.choose.choice(_NAMES))

    def delete(self) -> None:
        self.some_file().unlink()

    def delete_folder(self) -> None:
        empty = [one for one in self.folders()[1:] if not any(one.iterdir())]
        if empty:
            self.choose.choice(empty).rmdir()


class Reader(threading.Thread):
    """Hashes remote files in a loop. What it reads must be a content that was written, whole."""

    def __init__(self, root: Path, hand: Hand) -> None:
        super().__init__(daemon=True)
        self.root, self.hand = root, hand
        self.reads = 0
        self.torn: list[str] = []
        self.stop = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.stop.is_set():
            for folder, _names, files in os.walk(self.root):
                for name in files:
                    self.read(Path(folder, name))
            time.sleep(0.001)

    def read(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            if not path.is_symlink():
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                self.reads += 1
                if digest not in self.hand.written:
                    self.torn.append(str(path))


@dataclass
class Result:
    seed: int
    reads: int
    torn: list[str]
    faults: Counter[str]
    mismatches: list[str]
    index: list[str]
    ended: list[str]
    """Why the watching process ended by itself: nothing that happens here is a reason."""
    seconds: float

    @property
    def good(self) -> bool:
        return not (self.torn or self.mismatches or self.index or self.ended)


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
    hand.create()
    reader, child, faults = Reader(there, hand), _spawn(here, there, state, lane), Counter[str]()
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
    seconds = time.monotonic() - start
    return Result(seed, reader.reads, reader.torn, faults, mismatches, wrong, _ended(state), seconds)


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
