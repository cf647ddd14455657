"""Where the packets in a stream of bytes begin and end."""

from __future__ import annotations

import struct

from devbox.adapters.sftp import wire
from devbox.adapters.sftp.over import ByteChannel

_LENGTH = struct.Struct(">I")
_PIECE = 256 * 1024


class Packets:
    """What a channel brings, packet by packet. Used by one thread at a time."""

    def __init__(self, channel: ByteChannel) -> None:
        self._channel = channel
        self._rest = b""

    def take(self) -> list[bytes]:
        """All that are there whole, at least one, without their lengths; waits for it."""
        packets: list[bytes] = []
        while not packets:
            piece = self._channel.recv(_PIECE)
            if not piece:
                raise EOFError("the other side closed the channel")
            packets = self._cut(self._rest + piece)
        return packets

    def _cut(self, data: bytes) -> list[bytes]:
        packets, start, end = [], 4, len(data)
        while start <= end:
            (length,) = _LENGTH.unpack_from(data, start - 4)
            if not 1 <= length <= wire.LARGEST_PACKET:
                # The usual cause is a shell start file that prints: its text stands where a length should be.
                head = data[start - 4 : start]
                raise wire.ProtocolError(
                    f"not SFTP, but {head!r}: does a shell start file on the host print?"
                )
            if start + length > end:
                break
            packets.append(data[start : start + length])
            start += length + 4
        self._rest = data[start - 4 :]
        return packets
