"""SFTP version 3 on the wire: requests and replies as values. `replies` reads the latter.

Sources: draft-ietf-secsh-filexfer-02, and OpenSSH's PROTOCOL, section 4 (extensions; the swapped arguments of
SYMLINK).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from devbox.ports.tree import Entry

VERSION = 3
LARGEST_PACKET = 256 * 1024 + 1024

_INIT, _OPEN, _CLOSE, _READ, _WRITE, _LSTAT = 1, 3, 4, 5, 6, 7
_SETSTAT, _FSETSTAT, _OPENDIR, _READDIR, _REMOVE, _MKDIR, _RMDIR = 9, 10, 11, 12, 13, 14, 15
_REALPATH, _STAT, _RENAME, _READLINK, _SYMLINK, _EXTENDED = 16, 17, 18, 19, 20, 200

OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE = 0, 1, 2, 3, 4
OP_UNSUPPORTED = 8

FOR_READING, FOR_WRITING, CREATE, TRUNCATE, EXCLUSIVE = 0x01, 0x02, 0x08, 0x10, 0x20

HAS_SIZE, HAS_OWNER, HAS_MODE, HAS_TIMES, HAS_MORE = 0x01, 0x02, 0x04, 0x08, 0x80000000
_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_HEAD = struct.Struct(">IBI")
_OPENS = {_OPEN: 1, _OPENDIR: 1, _CLOSE: -1}
SECOND = 1_000_000_000


class ProtocolError(Exception):
    """The server sent something that is not SFTP version 3."""


class Request(NamedTuple):
    """A request without its id, which the client gives. A tuple: a first sync makes six for every file."""

    kind: int
    body: bytes

    @property
    def opens(self) -> int:
        """By how much it changes the number of handles that are open there."""
        return _OPENS.get(self.kind, 0)

    def packet(self, number: int) -> bytes:
        """The whole packet."""
        return _HEAD.pack(len(self.body) + 5, self.kind, number) + self.body


class Reply(NamedTuple):
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
        flags, body = flags | HAS_MODE, body + _U32.pack(mode)
    if mtime_ns is not None:
        seconds = min(max(mtime_ns // SECOND, 0), 0xFFFFFFFF)
        flags, body = flags | HAS_TIMES, body + struct.pack(">II", seconds, seconds)
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


def symlink(first: bytes, second: bytes) -> Request:
    """Which of the two becomes the link, and which the target, depends on the server: see `links`."""
    return Request(_SYMLINK, text(first) + text(second))
