"""What tests of sessions share: a real folder, a real sftp-server, and pictures of both trees."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from devbox.adapters.helper.best import BestTree
from devbox.adapters.helper.program import COMMAND
from devbox.adapters.inotify import Inotify
from devbox.adapters.sftp.tree import SftpTree
from devbox.errors import HostUnreachable
from devbox.ports.events import Event
from devbox.ports.tree import Owner, Tree
from devbox.sync.place import Place
from devbox.sync.session import Session
from tests.sync.pipes import Pipes, sftp_server

LIMIT = 60
"""Seconds for what must happen soon: a machine may have much else to do."""


def picture(root: Path) -> dict[str, object]:
    """Everything in a tree: bytes, modes, targets."""
    found: dict[str, object] = {}
    for folder, names, files in os.walk(root):
        for name in names + files:
            path = os.path.join(folder, name)
            key = os.path.relpath(path, root)
            if os.path.islink(path):
                found[key] = os.readlink(path)
            elif os.path.isdir(path):
                found[key] = "folder"
            else:
                found[key] = (Path(path).read_bytes(), bool(os.stat(path).st_mode & 0o100))
    return found


@dataclass
class Bench:
    here: Path
    there: Path
    state: Path
    events: list[Event] = field(default_factory=list)
    channels: list[Pipes] = field(default_factory=list)
    full: bool = False
    """Whether the disk there is full when a connection is made."""
    away: bool = False
    """Whether nobody answers there."""
    helped: bool = False
    """Whether the account has a shell and python3."""

    def connect(self) -> Tree:
        if self.away:
            raise HostUnreachable("nobody answers", where="host")
        if self.helped:
            return BestTree(self.help, sftp_server, str(self.there), "host")
        return SftpTree(self.opened(sftp_server()), str(self.there), "host")

    def killed(self) -> None:
        """A run that does all there is to do, and is killed before any of it is written down."""
        session, tree = self.session(), self.connect()
        _view, plan = session.rounds.whole(tree)
        session.rounds.index.intend(plan.operations)
        list(tree.apply(plan.waves, lambda count: None))
        tree.close()
        session.close()

    def help(self) -> Pipes:
        return self.opened(Pipes("sh", "-c", COMMAND))

    def opened(self, channel: Pipes) -> Pipes:
        channel.fill(self.full)
        self.channels.append(channel)
        return channel

    def place(self, *ignore: str) -> Place:
        return Place(
            os.fsencode(self.here), str(self.there), "host", self.state, ignore, owner=Owner("us", "us")
        )

    def session(self, *ignore: str) -> Session:
        return Session(self.place(*ignore), self.connect, self.events.append)

    def run(self) -> dict[str, object]:
        session = self.session()
        try:
            return session.run_once().as_data()
        finally:
            session.close()


def bench_in(folder: Path) -> Bench:
    """One whose local folder is empty."""
    (folder / "here").mkdir()
    return Bench(folder / "here", folder / "there", folder / "state")


def fill(folder: Path) -> None:
    (folder / "pkg" / "deep").mkdir(parents=True)
    (folder / "app.py").write_text("print('hello')\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "pkg" / "a.py").write_text("a = 1\n")
    (folder / "pkg" / "deep" / "b.py").write_text("b = 2\n")
    (folder / "link").symlink_to("pkg/a.py")
    (folder / ".gitignore").write_text("*.pyc\nbuild/\n")
    (folder / "x.pyc").write_text("ignored")
    (folder / "build").mkdir()
    (folder / "build" / "out").write_text("ignored")


def wanted(folder: Path) -> dict[str, object]:
    left_out = ("x.pyc", "build")
    return {key: what for key, what in picture(folder).items() if not key.startswith(left_out)}


class Watching:
    """A session that watches on a thread of its own."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.stop = bench, threading.Event()
        self.session = bench.session()
        self.thread = threading.Thread(target=self._run)
        self.failed: list[BaseException] = []
        self.thread.start()
        self.until(lambda: any(one.kind == "sync.ready" for one in bench.events))

    def _run(self) -> None:
        try:
            self.session.watch(lambda place, covers: Inotify(place.root, covers), self.stop)
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            self.failed.append(error)

    def until(self, condition: Callable[[], bool], seconds: float = LIMIT) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert not self.failed, self.failed
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.005)

    def flush(self) -> None:
        request = self.session.flush()
        assert request.done.wait(LIMIT)
        assert not self.failed, self.failed

    def close(self) -> None:
        self.stop.set()
        self.session.flush()
        self.thread.join(LIMIT)
        assert not self.thread.is_alive()
        self.session.close()
        assert not self.failed, self.failed
