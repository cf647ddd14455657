"""The `Tree` port through the helper; the root itself, its staging and reading stay with SFTP."""

from __future__ import annotations

import queue
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from devbox.adapters.helper import frames, remote
from devbox.adapters.sftp.client import ByteChannel
from devbox.adapters.sftp.tree import SftpTree
from devbox.errors import ConnectionLost
from devbox.ports.tree import (
    Abilities,
    Entry,
    Operation,
    Outcome,
    Put,
    RootFacts,
    Sent,
    SourceChanged,
    new_digest,
)

COMMAND = (
    "exec python3 -c 'import sys,os\n"
    'n=int(os.read(0,9))\nb=b""\nwhile len(b)<n:b+=os.read(0,n-len(b))\n'
    'g={"__name__":"helper"}\nexec(compile(b,"devbox-helper","exec"),g)\ng["main"]()\''
)
"""Reads nine digits, then that many bytes of program, and runs it: nothing of it is on the host's disk."""
_CHUNK = 256 * 1024
_FLUSH = 128 * 1024
_PATIENCE = 10.0
_BANNER = 64 * 1024
_SILENCE = 30.0
_DRAIN_AT = 4096


class NoHelper(Exception):
    """The account has no shell or no python3: plain SFTP it is."""


class HelperTree:
    """One remote root, worked on by the helper at the other end of `channel`."""

    def __init__(self, base: SftpTree, channel: ByteChannel) -> None:
        """Sends the program, which starts while SFTP looks at the root; `start` waits for it."""
        self._base, self._channel = base, channel
        self._numbers = 1
        self._due: dict[int, Operation] = {}
        self._inbox: queue.SimpleQueue[tuple[int, int, bytes] | None] = queue.SimpleQueue()
        self._lost: Exception | None = None
        self._buffer = bytearray()
        self._thread: threading.Thread | None = None
        program = Path(remote.__file__).read_bytes()
        self._channel.send(b"%09d" % len(program) + program)

    @property
    def abilities(self) -> Abilities:
        return Abilities("helper", fine_times=True, compare_and_swap=True)

    def start(self) -> None:
        """Tell it its places and wait until it answers; `NoHelper` when it never will."""
        places = b"\0".join(self._base.places())
        patience = threading.Timer(_PATIENCE, self._channel.close)
        patience.start()
        try:
            self._channel.send(remote.LENGTH.pack(len(places)) + places)
            self._await_hello()
        except (OSError, EOFError, ValueError) as error:
            self._channel.close()
            raise NoHelper(str(error)) from error
        finally:
            patience.cancel()
        self._thread = threading.Thread(target=self._read_replies, name="helper-replies", daemon=True)
        self._thread.start()

    def look(self) -> RootFacts:
        return self._base.look()

    def prepare(self, token: bytes) -> None:
        self._base.prepare(token)

    def scan(self, directories: Iterable[bytes]) -> Mapping[bytes, Entry]:
        return frames.listing(self._ask(remote.SCAN, directories))

    def digests(self, paths: Iterable[bytes]) -> Mapping[bytes, bytes]:
        wanted = list(paths)
        return frames.digests(self._ask(remote.DIGESTS, wanted)) if wanted else {}

    def read(self, path: bytes) -> Iterator[bytes]:
        return self._base.read(path)

    def apply(self, waves: Sequence[Sequence[Operation]], sent: Sent) -> Iterator[Outcome]:
        """The helper works in the order of the frames, so that waves need no waiting in between."""
        out = _Out(self)
        for wave in waves:
            for operation in wave:
                number = self._number()
                self._due[number] = operation
                out.add(frames.head(number, operation))
                if isinstance(operation, Put):
                    _content(out, operation, sent)
                if len(self._due) > _DRAIN_AT:
                    out.flush()
                    yield from self._outcomes(wait=False)
        out.flush()
        while self._due:
            yield from self._outcomes(wait=True)

    def idle(self) -> float:
        start = time.perf_counter()
        number = self._number()
        self._send(frames.question(number, remote.PING))
        self._answer(number)
        return time.perf_counter() - start

    def close(self) -> None:
        self._lost = self._lost or ConnectionError("closed")
        self._channel.close()
        if self._thread:
            self._thread.join(2)
        self._base.close()

    def _ask(self, code: int, paths: Iterable[bytes]) -> bytes:
        number = self._number()
        packed = zlib.compress(b"\0".join(paths), 1)
        chunks = [packed[at : at + _CHUNK] for at in range(0, len(packed), _CHUNK)]
        framed = b"".join(remote.LENGTH.pack(len(chunk)) + chunk for chunk in chunks)
        self._send(frames.question(number, code) + framed + remote.LENGTH.pack(0))
        return zlib.decompress(self._answer(number))

    def _answer(self, number: int) -> bytes:
        """The answer to a question, while no operation is under way."""
        got, _result, rest = self._next(wait=True)
        if got != number:
            raise ConnectionLost("the helper on the host answered out of turn")
        return rest

    def _outcomes(self, wait: bool) -> Iterator[Outcome]:
        while self._due:
            try:
                number, result, rest = self._next(wait)
            except queue.Empty:
                return
            yield frames.outcome(self._due.pop(number), result, rest)
            wait = False

    def _next(self, wait: bool) -> tuple[int, int, bytes]:
        try:
            got = self._inbox.get(wait, _SILENCE if wait else None)
        except queue.Empty:
            if not wait:
                raise
            raise ConnectionLost("the helper on the host", why=f"no answer for {_SILENCE:g} s") from None
        if got is None:
            self._due.clear()
            raise ConnectionLost("the helper on the host is gone", why=str(self._lost))
        return got

    def _number(self) -> int:
        self._numbers = self._numbers % 0xFFFFFFFF + 1
        return self._numbers

    def _send(self, data: bytes) -> None:
        try:
            self._channel.send(data)
        except (OSError, EOFError) as error:
            self._due.clear()
            raise ConnectionLost("the helper on the host is gone", why=str(error)) from error

    def _await_hello(self) -> None:
        """A shell start file may print before the helper does."""
        while remote.HELLO not in self._buffer:
            piece = self._channel.recv(4096)
            if not piece or len(self._buffer) > _BANNER:
                raise EOFError("no helper answered")
            self._buffer += piece
        del self._buffer[: self._buffer.index(remote.HELLO) + len(remote.HELLO)]

    def _read_replies(self) -> None:
        try:
            while True:
                number, result, length = remote.REPLY.unpack(self._exactly(remote.REPLY.size))
                self._inbox.put((number, result, self._exactly(length)))
        except (OSError, EOFError) as error:
            self._lost = self._lost or error
            self._inbox.put(None)

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            piece = self._channel.recv(_CHUNK)
            if not piece:
                raise EOFError("it ended")
            self._buffer += piece
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data


class _Out:
    """Collects small frames into large pieces."""

    def __init__(self, tree: HelperTree) -> None:
        self._tree = tree
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size >= _FLUSH:
            self.flush()

    def flush(self) -> None:
        if self._parts:
            self._tree._send(b"".join(self._parts))
            self._parts, self._size = [], 0


def _content(out: _Out, operation: Put, sent: Sent) -> None:
    """The bytes of a put, in chunks with their length before them; the digest of all at the end."""
    digest = new_digest()
    try:
        for chunk in operation.source.chunks(_CHUNK):
            digest.update(chunk)
            out.add(remote.LENGTH.pack(len(chunk)))
            out.add(chunk)
            sent(len(chunk))
    except SourceChanged:
        out.add(remote.LENGTH.pack(remote.ABORT))
        return
    out.add(remote.LENGTH.pack(0) + digest.digest())
