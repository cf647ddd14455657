"""The near end of the helper's channel: requests out in large segments, answers in as they come."""

from __future__ import annotations

import queue
import threading
import zlib
from collections.abc import Iterator

from devbox.adapters.helper.remote import wire
from devbox.adapters.sftp.over import ByteChannel
from devbox.errors import ConnectionLost

CHUNK = 256 * 1024
_FLUSH = 128 * 1024
_SMALL = 1024
_PAUSE = 16
"""Segments that are sent as they are after one that did not shrink."""
_BANNER = 64 * 1024
_SILENCE = 120.0
"""Seconds without an answer after which the helper counts as hung: a slow link may take long to carry what is
under way, and that one is dead is noticed much sooner, by the SSH connection.
"""

Answer = tuple[int, int, bytes]
"""Number, result, the rest."""


class Talk:
    """Used by one thread; a second one of its own reads."""

    def __init__(self, channel: ByteChannel) -> None:
        self._channel = channel
        self._numbers = 0
        self._inbox: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()
        self._lost: Exception | None = None
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        self._size = 0
        self._thread: threading.Thread | None = None
        self._hopeless = 0
        self.compress = False
        """Whether what is sent is worth packing: the link is slower than zlib."""

    def number(self) -> int:
        """A number for the next request."""
        self._numbers = self._numbers % 0xFFFFFFFF + 1
        return self._numbers

    def begin(self, program: bytes, first: bytes) -> None:
        """Send the program and the first request; wait for the greeting, behind what start files print."""
        self._channel.send(program + wire.SEGMENT.pack(len(first)) + first)
        while wire.HELLO not in self._buffer:
            piece = self._channel.recv(4096)
            if not piece or len(self._buffer) > _BANNER:
                raise EOFError("no helper answered")
            self._buffer += piece
        del self._buffer[: self._buffer.index(wire.HELLO) + len(wire.HELLO)]
        self._thread = threading.Thread(target=self._read, name="helper-answers", daemon=True)
        self._thread.start()

    def add(self, data: bytes) -> None:
        """Send this, soon."""
        self._parts.append(data)
        self._size += len(data)
        if self._size >= _FLUSH:
            self.flush()

    def flush(self) -> None:
        """Send what was added."""
        if not self._parts:
            return
        data, length = b"".join(self._parts), self._size
        self._parts, self._size = [], 0
        if self.compress and length > _SMALL:
            data, length = self._packed(data)
        try:
            self._channel.send(wire.SEGMENT.pack(length) + data)
        except (OSError, EOFError) as error:
            raise ConnectionLost("the helper on the host is gone", why=str(error)) from error

    def _packed(self, data: bytes) -> tuple[bytes, int]:
        """A segment as it travels, and its length with the mark. What does not shrink is tried seldom."""
        if self._hopeless:
            self._hopeless -= 1
            return data, len(data)
        packed = zlib.compress(data, 1)
        if len(packed) > len(data) * 0.9:
            self._hopeless = _PAUSE
            return data, len(data)
        return packed, len(packed) | wire.COMPRESSED

    def next(self) -> Answer:
        """The next answer."""
        try:
            got = self._inbox.get(timeout=_SILENCE)
        except queue.Empty:
            raise ConnectionLost("the helper on the host", why=f"no answer for {_SILENCE:g} s") from None
        return self._known(got)

    def there(self) -> Iterator[Answer]:
        """The answers that are there already."""
        while not self._inbox.empty():
            yield self._known(self._inbox.get())

    def answers(self, number: int) -> Iterator[tuple[int, bytes]]:
        """The answers to one question, to the last, while nothing else is under way."""
        result = wire.MORE
        while result == wire.MORE:
            got, result, rest = self.next()
            if got != number:
                raise ConnectionLost("the helper on the host answered out of turn")
            yield result, rest

    def close(self) -> None:
        """End the helper."""
        self._lost = self._lost or ConnectionError("closed")
        self._channel.close()
        if self._thread:
            self._thread.join(2)

    def _known(self, got: Answer | None) -> Answer:
        if got is None:
            self._inbox.put(None)  # whoever asks again learns it too
            raise ConnectionLost("the helper on the host is gone", why=str(self._lost))
        return got

    def _read(self) -> None:
        try:
            while True:
                number, result, length = wire.REPLY.unpack(self._exactly(wire.REPLY.size))
                self._inbox.put((number, result, self._exactly(length)))
        except (OSError, EOFError) as error:
            self._lost = self._lost or error
            self._inbox.put(None)

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            piece = self._channel.recv(CHUNK)
            if not piece:
                raise EOFError("it ended")
            self._buffer += piece
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data
