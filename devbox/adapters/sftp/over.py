"""SFTP over the SSH adapter's channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


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
        self.channel.close()
