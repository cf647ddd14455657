"""A staged script while it runs: its output in the order of arrival, its end, its early end."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterator, Sequence
from typing import Protocol

import paramiko
from paramiko.buffered_pipe import BufferedPipe
from paramiko.channel import Channel

from devbox.adapters.ssh.stage import READY, Stage
from devbox.errors import ConnectionLost
from devbox.ports.host import Finished, Line, Progress, Stream

_PIECE = 1 << 18
_Arrivals = queue.SimpleQueue[tuple[Stream, int]]


class Pipe(Protocol):
    """The three streams of a process: on the other end of a channel, or of this machine."""

    def take(self) -> tuple[Stream, bytes]:
        """What arrived next, waited for; nothing at the end of a stream."""
        ...

    def send(self, data: bytes) -> None:
        """Put bytes into its standard input, as far as it takes them."""
        ...

    def end_input(self) -> None: ...

    def close(self) -> None: ...

    @property
    def alive(self) -> bool:
        """Whether what the streams travel over still stands."""
        ...


class ChannelPipe:
    """The streams of a session channel, whose both outputs keep their common order."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._arrivals: _Arrivals = queue.SimpleQueue()
        channel.in_buffer = _Tape(Stream.OUT, self._arrivals)
        channel.in_stderr_buffer = _Tape(Stream.ERR, self._arrivals)

    def take(self) -> tuple[Stream, bytes]:
        stream, size = self._arrivals.get()
        if not size:
            return stream, b""
        return stream, self._channel.recv(size) if stream is Stream.OUT else self._channel.recv_stderr(size)

    def send(self, data: bytes) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            for start in range(0, len(data), _PIECE):  # sendall copies the rest after each packet
                self._channel.sendall(data[start : start + _PIECE])

    def end_input(self) -> None:
        self._channel.shutdown_write()

    def close(self) -> None:
        self._channel.close()

    @property
    def alive(self) -> bool:
        transport = self._channel.get_transport()
        return transport is not None and transport.is_active()


class _Tape(BufferedPipe):  # type: ignore[type-arg]  # generic in the stubs only
    """A channel's buffer that notes what arrived when, so that both streams keep their common order."""

    def __init__(self, stream: Stream, arrivals: _Arrivals) -> None:
        super().__init__()
        self._stream, self._arrivals, self._ended = stream, arrivals, False

    def feed(self, data: bytes | str) -> None:
        super().feed(data)
        self._arrivals.put((self._stream, len(data)))

    def close(self) -> None:
        super().close()
        if not self._ended:  # the end of the stream and that of the channel both close it
            self._ended = True
            self._arrivals.put((self._stream, 0))


class _Reader:
    """One stream of a stage: bytes in, lines out; what comes before our `begin` is the login shell's."""

    def __init__(self, stream: Stream, token: str) -> None:
        self._stream = stream
        self._token = token.encode()
        self._rest = b""
        self.noise: list[str] = []
        self.begun = False
        self.code: int | None = None

    def feed(self, data: bytes) -> Iterator[Line]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            yield from self._line(line)

    def _line(self, line: bytes) -> Iterator[Line]:
        if self.code is not None:
            return
        before, mark, after = line.rpartition(self._token)
        if not self.begun and line.endswith(READY.encode()):
            self.begun = True
        elif not mark:
            yield from self._text(line)
        else:
            if before:  # the script's last line had no newline
                yield from self._text(before)
            self.begun = True
            word, *rest = after.decode().split()
            if word == "end":
                self.code = int(rest[0])

    def _text(self, line: bytes) -> Iterator[Line]:
        text = line.decode(errors="replace")
        if self.begun:
            yield Line(self._stream, text)
        else:
            self.noise.append(text)


class Running:
    """The iterator of `Host.run`."""

    def __init__(self, pipe: Pipe, stage: Stage, where: str) -> None:
        self._pipe, self._stage, self._where = pipe, stage, where
        self._readers = {stream: _Reader(stream, stage.token) for stream in Stream}
        self._ready: list[Line] = []
        self._open = len(Stream)
        self._over = False

    def __iter__(self) -> Running:
        return self

    def __next__(self) -> Progress:
        while not self._over:
            if self._ready:
                return self._ready.pop(0)
            codes = [reader.code for reader in self._readers.values()]
            if all(code is not None for code in codes):
                self.close()
                return Finished(codes[0] or 0)
            if not self._take():
                lost = self._lost()
                self.close()
                raise lost
        raise StopIteration

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """End the script, if it has not ended: the host sees the end of its standard input."""
        self._over = True
        self._pipe.close()

    def send_stage(self) -> None:
        """Feed the stage. A host that stops listening has ended it, and its output says why."""
        self.send(self._stage.driver)
        for part in self._stage.payload:
            self.send(part)

    def send(self, data: bytes) -> None:
        """Put bytes into the session's standard input, as far as it takes them."""
        self._pipe.send(data)

    def await_begin(self, gives_up: Sequence[str] = ()) -> bool:
        """Whether the stage came to life; `False` when the session ended before: `refusal` has its words.

        Words in `gives_up` end a session that would otherwise ask for more input.
        """
        while not self._readers[Stream.OUT].begun:
            if not self._take():
                return False
            if any(words in self.refusal for words in gives_up):
                self._pipe.end_input()
        return True

    @property
    def refusal(self) -> str:
        """What the host said before the stage began."""
        said = [line for reader in self._readers.values() for line in reader.noise if line.strip()]
        return "\n".join(said)

    def _take(self) -> bool:
        """Read what arrived next; `False` at the end of both streams."""
        while self._open:
            stream, data = self._pipe.take()
            if data:
                self._ready += self._readers[stream].feed(data)
                return True
            self._open -= 1
        return False

    def _lost(self) -> ConnectionLost:
        alive = self._pipe.alive
        return ConnectionLost(
            "the script's session ended before the script did" if alive else "the connection broke",
            where=self._where,
            why=self.refusal or ("ended from outside" if alive else "the host no longer answers"),
            next_steps=["run the same command again: it takes up where this one stopped"],
        )
