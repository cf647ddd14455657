"""Chaos: random work on a tree while the link breaks and our process dies; at last both sides agree.

The process under test is a real one (`python -m tests.sync.chaos`), so that SIGKILL is SIGKILL; its server
is OpenSSH's own sftp-server over pipes, so that a seed takes a second. A reader hashes remote files all the
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
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from devbox.adapters.helper.best import BestTree
from devbox.adapters.helper.program import COMMAND
from devbox.adapters.inotify import Inotify
from devbox.adapters.sftp.tree import SftpTree
from devbox.ports.events import Event
from devbox.ports.tree import Owner, Tree
from devbox.sync.control import Control, ask
from devbox.sync.index import Index
from devbox.sync.place import Place
from devbox.sync.session import Session
from tests.sync.pipes import Pipes, sftp_server

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
    kills: int
    cuts: int
    mismatches: list[str]
    index: list[str]
    seconds: float

    @property
    def good(self) -> bool:
        return not (self.torn or self.mismatches or self.index)


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
    reader = Reader(there, hand)
    child, kills, cuts = _spawn(here, there, state, lane), 0, 0
    for _ in range(operations):
        hand.work()
        chance = choose.random()
        if chance < 0.01:
            child.send_signal(signal.SIGKILL)
            child.wait()
            child, kills = _spawn(here, there, state, lane), kills + 1
        elif chance < 0.02:
            cuts += _cut(state)
        elif chance < 0.15:
            time.sleep(choose.random() * 0.03)
    mismatches = _quiet(here, there, state)
    child.send_signal(signal.SIGKILL)
    child.wait()
    reader.stop.set()
    reader.join()
    wrong = _index(here, state)
    seconds = time.monotonic() - start
    return Result(seed, reader.reads, reader.torn, kills, cuts, mismatches, wrong, seconds)


def _spawn(here: Path, there: Path, state: Path, lane: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.sync.chaos", str(here), str(there), str(state), lane]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)


def _cut(state: Path) -> bool:
    """Cut the child's link; it may have to come up first."""
    end = time.monotonic() + 2
    while time.monotonic() < end:
        if ask(state, "cut", timeout=5) is not None:
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


def _index(here: Path, state: Path) -> list[str]:
    """Paths where the index says something else than the tree."""
    index = Index(state / "index.sqlite")
    known, real = index.records(), picture(here)
    index.close()
    return [repr(path) for path in {*known, *real} if (path in known) != (path in real)]


class _Host:
    """Opens trees for the child, and cuts their links."""

    def __init__(self, root: str, lane: str) -> None:
        self.root, self.lane = root, lane
        self.channel: Pipes | None = None

    def connect(self) -> Tree:
        if self.lane == "sftp":
            return SftpTree(self.serve(), self.root, "host")
        return BestTree(self.help, self.serve, self.root, "host")

    def serve(self) -> Pipes:
        self.channel = sftp_server()
        return self.channel

    def help(self) -> Pipes:
        self.channel = Pipes("sh", "-c", COMMAND)
        return self.channel

    def cut(self) -> None:
        if self.channel:
            self.channel.process.kill()


class _Diary:
    """Every event of every process of a seed, for whoever has to find out what went wrong."""

    def __init__(self, state: Path) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.file = (state / "events.jsonl").open("a", buffering=1)

    def __call__(self, event: Event) -> None:
        self.file.write(
            json.dumps([round(time.time(), 4), os.getpid(), event.kind, event.text, event.data]) + "\n"
        )


def main() -> None:
    """The process under test: a watching session that is told to cut its own link."""
    here, there, state, lane = sys.argv[1:5]
    host = _Host(there, lane)
    session = Session(
        Place(os.fsencode(here), there, "host", Path(state), owner=Owner("chaos", "chaos")),
        host.connect,
        _Diary(Path(state)),
    )
    session.rounds.brake.confirmed = True  # chaos deletes most of a small tree now and then

    def answer(question: str) -> dict[str, object]:
        if question == "cut":
            host.cut()
            return {}
        request = session.flush()
        request.done.wait(20)
        return {**session.status(), **request.report}

    Control(Path(state), answer)
    session.watch(lambda place, covers: Inotify(place.root, covers), threading.Event())


if __name__ == "__main__":
    main()
