"""Serving files to BuildKit: it compares our list with what it kept, and asks only for what differs.

Protocol: github.com/tonistiigi/fsutil (types/wire.proto, types/stat.proto, send.go): we send a STAT per path
in order, an empty one at the end; the daemon sends REQ with a path's index and gets DATA until an empty one;
FIN ends it from both sides. `mode` is Go's os.FileMode.
"""

from __future__ import annotations

import hashlib
import io
import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import unquote

from devbox.adapters.docker.grpc import UNKNOWN, Call, Failed, Gone
from devbox.adapters.docker.protobuf import fields, message, number
from devbox.errors import DevboxError
from devbox.ports.build import BuildContext, ContextEntry, EntryKind

STAT, REQ, DATA, FIN, ERR = range(5)
_CHUNK = 32 * 1024
_TOGETHER = 200
_IGNORE_FILE = ".dockerignore"
_KINDS = {EntryKind.FILE: 0, EntryKind.FOLDER: 1 << 31, EntryKind.LINK: 1 << 27, EntryKind.FIFO: 1 << 25}
_SPECIAL = ((0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20))


@dataclass(slots=True)
class FileSync:
    """The handler of `FileSync/DiffCopy`. `failure` is what went wrong here; `sent` counts bytes of files."""

    context: BuildContext
    failure: DevboxError | None = None
    sent: int = 0

    def __call__(self, call: Call) -> None:
        try:
            entries, opener = self._asked_for(call.metadata)
            self._serve(call, entries, opener)
        except (OSError, DevboxError) as error:
            if not isinstance(error, DevboxError):
                error = DevboxError("cannot be read for the build context", why=str(error))
            self.failure = error
            call.send(message({1: ERR, 4: str(error).encode()}))
            raise Failed(UNKNOWN, str(error)) from error

    def _asked_for(
        self, metadata: Mapping[str, list[str]]
    ) -> tuple[Sequence[ContextEntry], Callable[[str], BinaryIO]]:
        """The Dockerfile and the ignore file are asked for by name (older engines: include, newer: follow),
        else it is the tree, or those parts of it that the Dockerfile copies."""
        names = _patterns(metadata, "include-patterns")
        copied = _patterns(metadata, "followpaths")
        if copied and all(name.endswith(_IGNORE_FILE) for name in copied):
            names = copied
        if names or metadata.get("dir-name") == ["dockerfile"]:
            recipe = self.context.recipe()
            chosen = [name for name in sorted(recipe) if not names or name in names]
            return [_of_content(name, recipe[name]) for name in chosen], lambda name: io.BytesIO(recipe[name])
        excluded = _patterns(metadata, "exclude-patterns")
        return with_parents(self.context.entries(excluded, copied)), self.context.open

    def _serve(self, call: Call, entries: Sequence[ContextEntry], opener: Callable[[str], BinaryIO]) -> None:
        asked: queue.Queue[int | None] = queue.Queue()
        ended = threading.Event()
        threading.Thread(target=_listen, args=(call, asked, ended), daemon=True).start()
        for start in range(0, len(entries), _TOGETHER):
            call.send(*(message({1: STAT, 2: stat(entry)}) for entry in entries[start : start + _TOGETHER]))
        # An empty STAT is a message of no bytes but its field: what says that the list is complete.
        call.send(b"")
        pending = _Pending(call)
        while (index := asked.get()) is not None:
            for chunk in self._content(entries[index], opener):
                pending.add(message({1: DATA, 3: index, 4: chunk}))
            if asked.empty():
                pending.flush()
        if not ended.is_set():
            raise Gone
        call.send(message({1: FIN}))

    def _content(self, entry: ContextEntry, opener: Callable[[str], BinaryIO]) -> Iterator[bytes]:
        """The bytes of a file, and the empty piece that ends it."""
        with opener(entry.path) as file:
            while chunk := file.read(_CHUNK):
                self.sent += len(chunk)
                yield chunk
        yield b""


class _Pending:
    """Messages that wait for company: one frame per small file costs more time than its bytes."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self._messages: list[bytes] = []
        self._size = 0

    def add(self, one: bytes) -> None:
        self._messages.append(one)
        self._size += len(one)
        if self._size >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        if self._messages:
            self.call.send(*self._messages)
        self._messages, self._size = [], 0


def _of_content(name: str, content: bytes) -> ContextEntry:
    """A file whose time follows from its content: the daemon sees every change, even within one tick."""
    time = int.from_bytes(hashlib.sha256(content).digest()[:7], "big")
    return ContextEntry(name, EntryKind.FILE, size=len(content), mtime=time)


def _listen(call: Call, asked: queue.Queue[int | None], ended: threading.Event) -> None:
    for packet in call.receive():
        found = fields(packet)
        if number(found, 1) == REQ:
            asked.put(number(found, 3))
        elif number(found, 1) == FIN:
            ended.set()
            break
        elif number(found, 1) == ERR:
            break
    asked.put(None)


def stat(entry: ContextEntry) -> bytes:
    """One path as fsutil's Stat; uid and gid are 0, as the CLI sends them."""
    mode = entry.mode & 0o777 | _KINDS[entry.kind]
    for bit, theirs in _SPECIAL:
        mode |= theirs if entry.mode & bit else 0
    size = entry.size if entry.kind is EntryKind.FILE else 0
    target = os.fsencode(entry.target)
    return message({1: os.fsencode(entry.path), 2: mode, 5: size, 6: entry.mtime, 7: target})


def with_parents(entries: Sequence[ContextEntry]) -> list[ContextEntry]:
    """The tree with the folders that lead to what an exception brought back, in the order fsutil walks."""
    known = {entry.path: entry for entry in entries}
    for entry in entries:
        parent = entry.path.rpartition("/")[0]
        while parent and parent not in known:
            known[parent] = ContextEntry(parent, EntryKind.FOLDER, 0o755)
            parent = parent.rpartition("/")[0]
    return sorted(known.values(), key=lambda entry: os.fsencode(entry.path).split(b"/"))


def _patterns(metadata: Mapping[str, list[str]], name: str) -> list[str]:
    """A list in the metadata; newer daemons escape what is not ASCII and say so."""
    values = metadata.get(name, [])
    return [unquote(value) for value in values] if f"{name}-encoded" in metadata else values
