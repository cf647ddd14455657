"""The process under test in `chaos`: a watching session that is told to break its own link, or its host."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from devbox.adapters.helper.best import BestTree
from devbox.adapters.helper.program import COMMAND
from devbox.adapters.inotify import Inotify
from devbox.adapters.sftp.tree import SftpTree
from devbox.errors import HostUnreachable
from devbox.ports.events import Event
from devbox.ports.tree import Owner, Tree
from devbox.sync.control import Control
from devbox.sync.place import Place
from devbox.sync.session import Session
from tests.sync.pipes import SERVER, Pipes

_SPELL = 0.4
"""Seconds that a fault lasts: so long a link says nothing before it is given up, say."""


class Faulty(Pipes):
    """A link that can be slow, or swallow everything until it is given up."""

    def __init__(self, command: str) -> None:
        super().__init__("sh", "-c", command)
        self.delay = 0.0
        self.swallows = threading.Event()
        self.given_up = threading.Event()

    def send(self, data: bytes) -> None:
        time.sleep(self.delay)
        if not self.swallows.is_set():
            super().send(data)

    def recv(self, size: int) -> bytes:
        data = super().recv(size)
        time.sleep(self.delay)
        if self.swallows.is_set():
            self.given_up.wait(10)
            return b""
        return data

    def give_up(self) -> None:
        """As the SSH layer does when nothing was heard for long: what is on its way there is still done."""
        self.given_up.set()
        assert self.process.stdin is not None
        self.process.stdin.close()


class Host:
    """Opens trees, and breaks what they go over. Faults that last end by themselves."""

    def __init__(self, root: str, lane: str) -> None:
        self.root, self.lane = root, lane
        self.full = self.gone = False
        self._channels: list[Faulty] = []
        self._lock = threading.Lock()
        self.reached: Callable[[], object] = lambda: False
        """Whether the host was ever reached."""
        self.faults: dict[str, Callable[[], bool]] = {
            "cut": self.cut,
            "black hole": self.swallow,
            "slow link": self.slow,
            "full disk": self.fill,
            "host restarts": self.restart,
        }

    def connect(self) -> Tree:
        if self.gone:
            raise HostUnreachable("the host restarts", where="host")
        if self.lane == "sftp":
            return SftpTree(self.serve(), self.root, "host")
        return BestTree(self.help, self.serve, self.root, "host")

    def serve(self) -> Faulty:
        return self._opened(f"exec {SERVER}")

    def help(self) -> Faulty:
        return self._opened(COMMAND)

    def cut(self) -> bool:
        for one in self._open:
            one.process.kill()
        return True

    def swallow(self) -> bool:
        for one in self._open:
            one.swallows.set()
            threading.Timer(_SPELL, one.give_up).start()
        return True

    def slow(self) -> bool:
        for one in self._open:
            one.delay = 0.01
            threading.Timer(_SPELL, setattr, (one, "delay", 0.0)).start()
        return True

    def fill(self) -> bool:
        if self.reached():  # a watch does not begin on a disk on which nothing can be written
            self._fill(True)
            threading.Timer(_SPELL, self._fill, (False,)).start()
        return self.full

    def restart(self) -> bool:
        if self.reached():  # the first connection of a watch is not tried for ever
            self.gone = True
            self.cut()
            threading.Timer(_SPELL, setattr, (self, "gone", False)).start()
        return self.gone

    def _fill(self, full: bool) -> None:
        with self._lock:
            self.full = full
            for one in self._open:
                one.fill(full)

    def _opened(self, command: str) -> Faulty:
        with self._lock:
            channel = Faulty(command)
            channel.fill(self.full)
            self._channels.append(channel)
            return channel

    @property
    def _open(self) -> list[Faulty]:
        """The channels whose other end lives."""
        self._channels = [one for one in self._channels if one.process.poll() is None]
        return self._channels


class _Diary:
    """Every event of every process of a seed, for whoever has to find out what went wrong."""

    def __init__(self, state: Path) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.file = (state / "events.jsonl").open("a", buffering=1)

    def __call__(self, event: Event) -> None:
        self.write(event.kind, event.text, event.data)

    def write(self, *what: object) -> None:
        self.file.write(json.dumps([round(time.time(), 4), os.getpid(), *what]) + "\n")


def main() -> None:
    """Watch until killed; answer `flush`, and the faults."""
    here, there, state, lane = sys.argv[1:5]
    host, diary = Host(there, lane), _Diary(Path(state))
    place = Place(os.fsencode(here), there, "host", Path(state), owner=Owner("chaos", "chaos"))
    session = Session(place, host.connect, diary)
    host.reached = lambda: session.link.lane
    session.rounds.brake.confirmed = True  # chaos deletes most of a small tree now and then

    def answer(question: str) -> dict[str, object]:
        if question in host.faults:
            diary.write("fault", question)
            return {"happened": host.faults[question]()}
        request = session.flush()
        request.done.wait(20)
        return {**session.status(), **request.report}

    Control(Path(state), answer)
    try:
        session.watch(lambda place, covers: Inotify(place.root, covers), threading.Event())
    except BaseException as error:
        diary.write("ended", repr(error))
        raise


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    main()
