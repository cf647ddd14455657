"""SFTP version 3 on the wire: requests and replies as values.

Sources: draft-ietf-secsh-filexfer-02, and OpenSSH's PROTOCOL, section 4 (extensions; the swapped arguments of
SYMLINK).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from devbox.ports.tree import Entry, Kind

VERSION = 3
LARGEST_PACKET = 256 * 1024 + 1024

_INIT, _OPEN, _CLOSE, _READ, _WRITE, _LSTAT = 1, 3, 4, 5, 6, 7
_SETSTAT, _FSETSTAT, _OPENDIR, _READDIR, _REMOVE, _MKDIR, _RMDIR = 9, 10, 11, 12, 13, 14, 15
_REALPATH, _STAT, _RENAME, _READLINK, _SYMLINK, _EXTENDED = 16, 17, 18, 19, 20, 200
_VERSION, _STATUS, _HANDLE, _DATA, _NAME, _ATTRS, _EXTENDED_REPLY = 2, 101, 102, 103, 104, 105, 201

OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE = 0, 1, 2, 3, 4
OP_UNSUPPORTED = 8

FOR_READING, FOR_WRITING, CREATE, TRUNCATE, EXCLUSIVE = 0x01, 0x02, 0x08, 0x10, 0x20

_HAS_SIZE, _HAS_OWNER, _HAS_MODE, _HAS_TIMES, _HAS_MORE = 0x01, 0x02, 0x04, 0x08, 0x80000000
_KINDS = {0o100000: Kind.FILE, 0o040000: Kind.DIRECTORY, 0o120000: Kind.LINK}
_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_SECOND = 1_000_000_000


class ProtocolError(Exception):
    """The server sent something that is not SFTP version 3."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request without its id, which the client gives."""

    kind: int
    body: bytes

    @property
    def opens(self) -> int:
        """By how much it changes the number of handles that are open there."""
        return 1 if self.kind in (_OPEN, _OPENDIR) else -1 if self.kind == _CLOSE else 0

    def packet(self, number: int) -> bytes:
        """The whole packet."""
        return struct.pack(">IBI", len(self.body) + 5, self.kind, number) + self.body


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `code` is `OK` for all but a STATUS; the other fields as the kind of answer has them."""

    code: int = OK
    message: str = ""
    blob: bytes = b""
    """A handle, a piece of a file, or an extended reply."""
    names: tuple[tuple[bytes, Entry], ...] = ()
    entry: Entry | None = None

    @property
    def ok(self) -> bool:
        return self.code == OK


@dataclass(frozen=True, slots=True)
class Hello:
    """The server's VERSION packet."""

    version: int
    extensions: dict[bytes, bytes] = field(default_factory=dict)


def hello() -> bytes:
    """Our INIT packet."""
    return struct.pack(">IBI", 5, _INIT, VERSION)


def text(value: bytes) -> bytes:
    """A string of the protocol."""
    return _U32.pack(len(value)) + value


def attributes(mode: int | None = None, mtime_ns: int | None = None) -> bytes:
    """ATTRS with what is given."""
    flags, body = 0, b""
    if mode is not None:
        flags, body = flags | _HAS_MODE, body + _U32.pack(mode)
    if mtime_ns is not None:
        seconds = min(max(mtime_ns // _SECOND, 0), 0xFFFFFFFF)
        flags, body = flags | _HAS_TIMES, body + struct.pack(">II", seconds, seconds)
    return _U32.pack(flags) + body


def open_file(path: bytes, flags: int, mode: int | None = None) -> Request:
    return Request(_OPEN, text(path) + _U32.pack(flags) + attributes(mode))


def close(handle: bytes) -> Request:
    return Request(_CLOSE, text(handle))


def read(handle: bytes, offset: int, length: int) -> Request:
    return Request(_READ, text(handle) + struct.pack(">QI", offset, length))


def write(handle: bytes, offset: int, data: bytes) -> Request:
    return Request(_WRITE, b"".join((text(handle), _U64.pack(offset), _U32.pack(len(data)), data)))


def lstat(path: bytes) -> Request:
    return Request(_LSTAT, text(path))


def stat(path: bytes) -> Request:
    return Request(_STAT, text(path))


def setstat(path: bytes, attrs: bytes) -> Request:
    return Request(_SETSTAT, text(path) + attrs)


def fsetstat(handle: bytes, attrs: bytes) -> Request:
    return Request(_FSETSTAT, text(handle) + attrs)


def opendir(path: bytes) -> Request:
    return Request(_OPENDIR, text(path))


def readdir(handle: bytes) -> Request:
    return Request(_READDIR, text(handle))


def remove(path: bytes) -> Request:
    return Request(_REMOVE, text(path))


def mkdir(path: bytes, mode: int) -> Request:
    return Request(_MKDIR, text(path) + attributes(mode))


def rmdir(path: bytes) -> Request:
    return Request(_RMDIR, text(path))


def realpath(path: bytes) -> Request:
    return Request(_REALPATH, text(path))


def rename(old: bytes, new: bytes) -> Request:
    """Version 3's own rename: fails where `new` exists."""
    return Request(_RENAME, text(old) + text(new))


def posix_rename(old: bytes, new: bytes) -> Request:
    """rename(2): replaces `new` atomically."""
    return Request(_EXTENDED, text(b"posix-rename@openssh.com") + text(old) + text(new))


def limits() -> Request:
    return Request(_EXTENDED, text(b"limits@openssh.com"))


def readlink(path: bytes) -> Request:
    return Request(_READLINK, text(path))


def symlink(target: bytes, path: bytes) -> Request:
    """In the order of OpenSSH, which every server has followed since: target first."""
    return Request(_SYMLINK, text(target) + text(path))


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
        size = self.u64() if flags & _HAS_SIZE else 0
        if flags & _HAS_OWNER:
            self.at += 8
        mode = self.u32() if flags & _HAS_MODE else 0
        if flags & _HAS_TIMES:
            self.at += 4
        mtime = self.u32() if flags & _HAS_TIMES else 0
        if flags & _HAS_MORE:
            for _ in range(self.u32() * 2):
                self.text()
        kind = _KINDS.get(mode & 0o170000, Kind.OTHER)
        return Entry(kind, size, mtime * _SECOND, mode & 0o7777, coarse=True)


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
        reader = _Reader(packet, 1)
        return reader.u32(), _reply(packet[0], reader)
    except (struct.error, IndexError) as error:
        raise ProtocolError("a packet that ends too early") from error


_DONE = Reply()


def _reply(kind: int, reader: _Reader) -> Reply:
    if kind == _STATUS:
        code = reader.u32()
        if code == OK:
            return _DONE
        message = reader.text() if reader.at < len(reader.data) else b""
        return Reply(code, message.decode(errors="replace"))
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
