"""SFTP version 3: what the server sends, read into values. Sources as in `wire`."""

from __future__ import annotations

import struct
from functools import lru_cache

from devbox.adapters.sftp import wire
from devbox.adapters.sftp.wire import Hello, ProtocolError, Reply
from devbox.ports.tree import Entry, Kind

_VERSION, _STATUS, _HANDLE, _DATA, _NAME, _ATTRS, _EXTENDED_REPLY = 2, 101, 102, 103, 104, 105, 201
_KINDS = {0o100000: Kind.FILE, 0o040000: Kind.DIRECTORY, 0o120000: Kind.LINK}
_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")


class _Reader:
    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def u32(self) -> int:
        (value,) = _U32.unpack_from(self.data, self.at)
        self.at += 4
        return int(value)

    def u64(self) -> int:
        (value,) = _U64.unpack_from(self.data, self.at)
        self.at += 8
        return int(value)

    def text(self) -> bytes:
        length = self.u32()
        value = self.data[self.at : self.at + length]
        if len(value) != length:
            raise ProtocolError("a string is longer than its packet")
        self.at += length
        return value

    def entry(self) -> Entry:
        flags = self.u32()
        size = self.u64() if flags & wire.HAS_SIZE else 0
        if flags & wire.HAS_OWNER:
            self.at += 8
        mode = self.u32() if flags & wire.HAS_MODE else 0
        if flags & wire.HAS_TIMES:
            self.at += 4
        mtime = self.u32() if flags & wire.HAS_TIMES else 0
        if flags & wire.HAS_MORE:
            for _ in range(self.u32() * 2):
                self.text()
        kind = _KINDS.get(mode & 0o170000, Kind.OTHER)
        return Entry(kind, size, mtime * wire.SECOND, mode & 0o7777, coarse=True)


def parse_hello(packet: bytes) -> Hello:
    """The server's VERSION; `packet` without its length."""
    try:
        if packet[0] != _VERSION:
            raise ProtocolError(f"expected VERSION, got packet type {packet[0]}")
        reader = _Reader(packet, 1)
        version = reader.u32()
        extensions = {}
        while reader.at < len(packet):
            name = reader.text()
            extensions[name] = reader.text()
        return Hello(version, extensions)
    except (struct.error, IndexError) as error:
        raise ProtocolError("a VERSION packet that ends too early") from error


def parse_reply(packet: bytes) -> tuple[int, Reply]:
    """Request id and answer; `packet` without its length."""
    try:
        (number,) = _U32.unpack_from(packet, 1)
        return number, _reply(packet[0], _Reader(packet, 5))
    except (struct.error, IndexError) as error:
        raise ProtocolError("a packet that ends too early") from error


@lru_cache(64)
def _status(data: bytes) -> Reply:
    """Servers have few words: most answers are one of these."""
    reader = _Reader(data, 0)
    code = reader.u32()
    if code == wire.OK:
        return Reply()
    message = reader.text() if reader.at < len(data) else b""
    return Reply(code, message.decode(errors="replace"))


def _reply(kind: int, reader: _Reader) -> Reply:
    if kind == _STATUS:
        return _status(reader.data[5:])
    if kind in (_HANDLE, _DATA):
        return Reply(blob=reader.text())
    if kind == _EXTENDED_REPLY:
        return Reply(blob=reader.data[reader.at :])
    if kind == _ATTRS:
        return Reply(entry=reader.entry())
    if kind == _NAME:
        return Reply(names=tuple(_name(reader) for _ in range(reader.u32())))
    raise ProtocolError(f"packet type {kind} is no answer")


def _name(reader: _Reader) -> tuple[bytes, Entry]:
    name = reader.text()
    reader.text()  # the long name: for people, its form is not defined
    return name, reader.entry()
