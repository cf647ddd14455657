"""What the lanes speak through: the SSH adapter's channels, or pipes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Protocol


class ByteChannel(Protocol):
    """Both directions of an SSH channel (or of a pipe). `recv` returns b"" at the end, may raise OSError."""

    def send(self, data: bytes) -> None:
        """Send all of it."""
        ...

    def recv(self, size: int) -> bytes: ...

    def close(self) -> None: ...


class SshChannel(Protocol):
    """The part of paramiko's Channel that is used."""

    def sendall(self, data: bytes) -> None: ...

    def recv(self, nbytes: int) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class OverSsh:
    """An SSH channel as a `ByteChannel`."""

    channel: SshChannel

    def send(self, data: bytes) -> None:
        self.channel.sendall(data)

    def recv(self, size: int) -> bytes:
        return self.channel.recv(size)

    def close(self) -> None:
        """Closing tells the other side: where the connection just broke, paramiko raises an EOFError."""
        with contextlib.suppress(OSError, EOFError):
            self.channel.close()
