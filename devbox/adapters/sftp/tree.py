"""The `Tree` port over plain SFTP: needs an account with SFTP and nothing else."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from devbox.adapters.sftp import edits, links, listing, puts, wire
from devbox.adapters.sftp.client import HANDLES, Client, Task
from devbox.adapters.sftp.lock import Lock
from devbox.adapters.sftp.over import ByteChannel
from devbox.adapters.sftp.places import Places, words
from devbox.adapters.sftp.roots import enter_staging, expand, look, prepare
from devbox.adapters.sftp.wire import Reply
from devbox.ports.tree import (
    Abilities,
    Entry,
    MakeDirectory,
    Operation,
    Outcome,
    Owner,
    PutLink,
    RemoveDirectory,
    Result,
    RootFacts,
    Sent,
    Survey,
    new_digest,
    staging_of,
)

_WARM = 4
_MOST_HANDLES = 2048
_READ = 32 * 1024
_READS = 64


class SftpTree:
    """One remote root over one SFTP session. `host` is for the words of errors."""

    def __init__(self, channel: ByteChannel, root: str, host: str = "") -> None:
        self._client = Client(channel)
        self._host = host
        self._lock: Lock | None = None
        home, limits = self._client.one(_greet())
        absolute = expand(root, home.names[0][0] if home.names else b".")
        text = absolute.decode(errors="surrogateescape")
        self._places = Places(absolute, staging_of(text).encode(errors="surrogateescape"))
        self._places.posix_rename = b"posix-rename@openssh.com" in self._client.extensions
        self._places.chunk, self._client.handles = _bounds(limits)

    @property
    def abilities(self) -> Abilities:
        return Abilities("sftp", atomic_rename=self._places.posix_rename)

    def look(self) -> RootFacts:
        return look(self._client, self._places, self._host)

    def prepare(self, token: bytes, owner: Owner | None = None) -> None:
        prepare(self._client, self._places, token, self._host)
        self._lock = enter_staging(self._client, self._places, owner, self._host)

    def scan(self, directories: Iterable[bytes]) -> Mapping[bytes, Entry]:
        return listing.scan(self._client, self._places, directories)

    def survey(self, marks: Mapping[bytes, bytes]) -> Survey:
        """Whole seconds are too coarse for marks: everything is listed."""
        return Survey(self.scan(marks))

    def mark(self, members: Mapping[bytes, Entry]) -> bytes:
        return b""

    def apply(self, waves: Sequence[Sequence[Operation]], sent: Sent) -> Iterator[Outcome]:
        for wave in waves:
            if self._places.link_first is None and any(isinstance(one, PutLink) for one in wave):
                self._client.one(links.find_order(self._places))
            yield from self._wave(wave, sent)

    def digests(self, paths: Iterable[bytes]) -> Mapping[bytes, bytes]:
        found = self._client.run(self._digest(path) for path in paths)
        return {path: digest for path, digest in found if digest}

    def read(self, path: bytes) -> Iterator[bytes]:
        opened = self._client.ask(wire.open_file(self._places.at(path), wire.FOR_READING))
        if opened.code == wire.NO_SUCH_FILE:
            raise FileNotFoundError(path)
        if not opened.ok:
            raise OSError(words(opened))
        offset = 0
        while pieces := self._client.one(_read_on(opened.blob, offset)):
            yield pieces
            offset += len(pieces)
        self._client.ask(wire.close(opened.blob))

    def idle(self) -> float:
        missing = _WARM - len(self._places.warm)
        list(self._client.run(puts.warm_up(self._places) for _ in range(missing)))
        start = time.perf_counter()
        self._client.ask(wire.stat(self._places.root))
        return time.perf_counter() - start

    def close(self) -> None:
        if self._lock:
            self._lock.close()
        self._client.close()

    def _wave(self, wave: Sequence[Operation], sent: Sent) -> Iterator[Outcome]:
        """Servers may answer out of order: directories whose parent came later are tried again."""
        again: list[Operation] = []
        for outcome in self._client.run(edits.task(self._places, one, sent) for one in wave):
            nested = isinstance(outcome.operation, MakeDirectory | RemoveDirectory)
            if nested and outcome.result in (Result.FAILED, Result.KEPT) and len(wave) > 1:
                again.append(outcome.operation)
            else:
                yield outcome
        if again and len(again) < len(wave):
            yield from self._wave(again, sent)
        elif again:
            for operation in again:
                yield self._client.one(edits.task(self._places, operation, sent))

    def _digest(self, path: bytes) -> Task[tuple[bytes, bytes]]:
        (opened,) = yield [wire.open_file(self._places.at(path), wire.FOR_READING)]
        if not opened.ok:
            return path, b""
        digest, offset = new_digest(), 0
        try:
            while pieces := (yield from _read_on(opened.blob, offset)):
                digest.update(pieces)
                offset += len(pieces)
        except OSError:  # a folder opens, and cannot be read
            yield [wire.close(opened.blob)]
            return path, b""
        yield [wire.close(opened.blob)]
        return path, digest.digest()


def _greet() -> Task[Sequence[Reply]]:
    return (yield [wire.realpath(b"."), wire.limits()])


def _bounds(limits: Reply) -> tuple[int, int]:
    """Bytes of one WRITE, and files open at once: what every server takes; OpenSSH 8.5 and later say more."""
    if not limits.ok or len(limits.blob) < 32:
        return 32 * 1024, HANDLES
    _packet, _read, longest, handles = struct.unpack(">QQQQ", limits.blob[:32])
    return max(32 * 1024, min(longest, 255 * 1024)), min(handles * 3 // 4, _MOST_HANDLES) or HANDLES


def _read_on(handle: bytes, offset: int) -> Task[bytes]:
    """The next bytes from `offset`, up to the first short answer; b"" at the end of the file."""
    requests = [
        wire.read(handle, offset + number * _READ, _READ) for number in range(_READS if offset else 2)
    ]
    pieces = []
    for reply in (yield requests):
        if not reply.ok and reply.code != wire.EOF:
            raise OSError(words(reply))
        pieces.append(reply.blob)
        if len(reply.blob) < _READ:
            break
    return b"".join(pieces)
