"""One devbox per remote root, whatever machine it runs on: a file in staging that its holder keeps young.

Plain SFTP has no locks that end with their holder. So the file's age decides, by the host's own clock: the
holder writes into it every few seconds, and one that is old belongs to nobody.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from devbox.adapters.roots import held_by, locked
from devbox.adapters.sftp import wire
from devbox.adapters.sftp.client import Client, Task
from devbox.adapters.sftp.wire import Reply
from devbox.errors import ConnectionLost, HostError
from devbox.ports.tree import Entry, Owner

NAME = b"lock"
BEAT = 10.0
"""Seconds between two signs of life."""
OLD = 60.0
"""Seconds after the last one when the lock belongs to nobody: some may get lost, and laptops nod off."""
_EMPTY = 3.0
"""Seconds after which an empty lock belongs to nobody: its holder died before it wrote its name into it."""
_TRIES = 20
_PAUSE = 0.3


@dataclass(frozen=True, slots=True)
class Held:
    """A lock file as somebody else sees it. `age` is in seconds."""

    content: bytes
    age: float

    @property
    def key(self) -> str:
        return self.content.partition(b"\n")[0].decode(errors="replace")


def enter(folder: bytes, owner: Owner | None) -> Task[tuple[Reply | None, dict[bytes, Entry]]]:
    """Open staging: its lock if that is free, and what lies in it, in the same flights."""
    wanted = [_open_new(folder)] if owner else []
    *lock, listing = yield [*wanted, wire.opendir(folder)]
    writing = [wire.write(reply.blob, 0, held_by(owner)) for reply in lock if owner and reply.ok]
    found: dict[bytes, Entry] = {}
    while listing.ok:
        answers = yield [*writing, wire.readdir(listing.blob), wire.readdir(listing.blob)]
        read, writing = answers[len(writing) :], []
        for reply in read:
            found.update(reply.names)
        if not all(reply.ok for reply in read):
            yield [wire.close(listing.blob)]
            break
    for name in (b".", b"..", NAME):
        found.pop(name, None)
    return (lock[0] if lock else None), found


class Lock:
    """A lock that is held from `keep` to `close`."""

    def __init__(
        self, client: Client, folder: bytes, owner: Owner, where: str = "", beat: float = BEAT
    ) -> None:
        self._client, self._folder, self._owner, self._where = client, folder, owner, where
        self._beat = beat
        self._handle = b""
        self._alive = 0.0  # by the wall clock, which goes on while a laptop sleeps
        self._stop = threading.Event()

    def keep(self, opened: Reply) -> None:
        """Hold the lock that `enter` opened, or one whose holder is gone; a `HostError` says who has it."""
        for _ in range(_TRIES):
            if opened.ok:
                self._handle, self._alive = opened.blob, time.time()
                threading.Thread(target=self._live, name="sync-lock", daemon=True).start()
                return
            held = self._client.one(_look(self._folder))
            if held and not held.content and held.age <= _EMPTY:
                time.sleep(_PAUSE)
                continue
            if held and held.content and held.key != self._owner.key and held.age <= OLD:
                raise locked(self._where, held.content.decode(errors="replace"), held.age)
            if held and not self._client.one(_break(self._folder, held.content)):
                continue
            opened = self._client.one(_make(self._folder, held_by(self._owner)))
        raise HostError("the remote root's lock cannot be taken", where=self._where, why=opened.message)

    def close(self) -> None:
        """Let go. Nobody waits for the answer: a lock that stays behind grows old."""
        self._stop.set()
        if self._handle and time.time() - self._alive < OLD / 2:
            self._client.tell(wire.remove(self._folder + b"/" + NAME))

    def _live(self) -> None:
        content = held_by(self._owner)
        while not self._stop.wait(self._beat):
            try:
                slept = time.time() - self._alive > OLD / 2
                if slept and not self._still_ours():
                    self._client.close()  # whoever works finds the link gone, and learns at the next one why
                    return
                self._client.ask(wire.write(self._handle, 0, content))
            except ConnectionLost:
                return
            self._alive = time.time()

    def _still_ours(self) -> bool:
        held = self._client.one(_look(self._folder))
        return held is not None and held.key == self._owner.key


def _open_new(folder: bytes) -> wire.Request:
    return wire.open_file(folder + b"/" + NAME, wire.FOR_WRITING | wire.CREATE | wire.EXCLUSIVE, 0o600)


def _make(folder: bytes, content: bytes) -> Task[Reply]:
    (opened,) = yield [_open_new(folder)]
    if opened.ok:
        yield [wire.write(opened.blob, 0, content)]
    return opened


def _look(folder: bytes) -> Task[Held | None]:
    """Whose lock it is, and how old by the host's clock: a file that is made now tells the time."""
    clock = folder + b"/clock-" + secrets.token_hex(4).encode()
    lock = folder + b"/" + NAME
    flags = wire.FOR_WRITING | wire.CREATE | wire.EXCLUSIVE
    opened, made = yield [wire.open_file(lock, wire.FOR_READING), wire.open_file(clock, flags, 0o600)]
    asked = [wire.read(opened.blob, 0, 4096), wire.lstat(lock), wire.close(opened.blob)] if opened.ok else []
    timed = [wire.write(made.blob, 0, b"now"), wire.close(made.blob)] if made.ok else []
    replies = (yield [*asked, *timed]) if asked or timed else []
    now, _removed = (yield [wire.lstat(clock), wire.remove(clock)]) if made.ok else (None, None)
    return _held(replies, now) if opened.ok else None


def _held(replies: Sequence[Reply], now: Reply | None) -> Held:
    seen = replies[1].entry
    age = (now.entry.mtime_ns - seen.mtime_ns) / 1e9 if now and now.entry and seen else 0.0
    return Held(replies[0].blob, age)


def _break(folder: bytes, content: bytes) -> Task[bool]:
    """Take an old lock away, if it still is that one; false when somebody was faster."""
    lock, aside = folder + b"/" + NAME, folder + b"/broken-" + secrets.token_hex(4).encode()
    (renamed,) = yield [wire.rename(lock, aside)]
    if not renamed.ok:
        return False
    (opened,) = yield [wire.open_file(aside, wire.FOR_READING)]
    found, _closed = yield [wire.read(opened.blob, 0, 4096), wire.close(opened.blob)]
    if found.blob != content:
        yield [wire.rename(aside, lock)]
        return False
    yield [wire.remove(aside)]
    return True
