"""The program that runs on the host: standard library only, Python 3.7 or later, run from memory.

It reads frames from standard input, does one operation after the other, and answers each on standard output.
An operation checks that the target still is what was expected, stages, verifies the digest of the bytes and
renames: to everybody on the host a file changes in one step.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import struct
import sys
import zlib
from collections.abc import Iterator
from typing import Any

HELLO = b"\0devbox-helper 1\n"
# number, operation, force, size, mtime_ns, mode, lengths of path and target, count of expected entries
HEAD = struct.Struct(">IBBQqIHHB")
# kind, coarse, size, mtime_ns, mode, ctime_ns, length of the link's target
ENTRY = struct.Struct(">BBQqIqH")
# number, result, length of the rest
REPLY = struct.Struct(">IBI")
LENGTH = struct.Struct(">I")
PUT, LINK, FOLDER, META, REMOVE, REMOVE_FOLDER, MOVE, SCAN, DIGESTS, PING, PUT_IN_PLACE = range(11)
DONE, KEPT, CONFLICT, UNSTABLE, FAILED = range(5)
ABORT = 0xFFFFFFFF
FILE_KIND, FOLDER_KIND, LINK_KIND, OTHER_KIND = 1, 2, 3, 4
SECOND = 1000000000


Answer = Any
"""A result and the rest of its reply; the module runs on Pythons that cannot say it better."""


class Clash(Exception):
    """Something else stands there; the argument is its entry."""


def entry_of(path: bytes) -> bytes | None:
    """What stands there as a packed entry, or None."""
    try:
        state = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    kind = OTHER_KIND
    if stat.S_ISREG(state.st_mode):
        kind = FILE_KIND
    elif stat.S_ISDIR(state.st_mode):
        kind = FOLDER_KIND
    elif stat.S_ISLNK(state.st_mode):
        kind = LINK_KIND
    target = os.readlink(path) if kind == LINK_KIND else b""
    mode = stat.S_IMODE(state.st_mode)
    fields = (kind, 0, state.st_size, state.st_mtime_ns, mode, state.st_ctime_ns, len(target))
    return ENTRY.pack(*fields) + target


def same(found: bytes, known: bytes) -> bool:
    """Whether two packed entries can be the same state of the same thing."""
    kind, coarse, size, mtime, _mode, ctime, _length = ENTRY.unpack_from(found)
    kind2, coarse2, size2, mtime2, _mode2, ctime2, _length2 = ENTRY.unpack_from(known)
    if kind != kind2:
        return False
    if kind == LINK_KIND:
        return found[ENTRY.size :] == known[ENTRY.size :]
    grain = SECOND if coarse or coarse2 else 1
    changed = ctime and ctime2 and ctime != ctime2
    return kind != FILE_KIND or (size == size2 and mtime // grain == mtime2 // grain and not changed)


class Wire:
    """Both directions. Answers are held back until there is nothing left to read: one packet for many."""

    def __init__(self) -> None:
        self.held: list[bytes] = []
        self.data = b""
        self.at = 0

    def read(self, size: int) -> bytes:
        """Exactly so many bytes; EOFError at the end."""
        while len(self.data) - self.at < size:
            self.flush()
            piece = os.read(0, 262144)
            if not piece:
                raise EOFError
            self.data = self.data[self.at :] + piece
            self.at = 0
        start, self.at = self.at, self.at + size
        return self.data[start : self.at]

    def chunks(self) -> Iterator[bytes]:
        """The pieces of one content; raises ValueError when the other side takes it back."""
        while True:
            (length,) = LENGTH.unpack(self.read(4))
            if length == ABORT:
                raise ValueError
            if not length:
                return
            yield self.read(length)

    def answer(self, number: int, result: int, rest: bytes = b"") -> None:
        self.held.append(REPLY.pack(number, result, len(rest)) + rest)

    def flush(self) -> None:
        data = b"".join(self.held)
        self.held = []
        while data:
            data = data[os.write(1, data) :]


class Helper:
    def __init__(self, wire: Wire, root: bytes, staging: bytes) -> None:
        self.wire, self.root, self.staging = wire, root, staging
        self.count = 0
        self.force = self.code = 0
        self.expects: list[bytes] = []
        self.work: dict[int, Any] = {
            PUT: self.put,
            PUT_IN_PLACE: self.put,
            LINK: self.link,
            FOLDER: self.folder,
            META: self.meta,
            REMOVE: self.remove,
            REMOVE_FOLDER: self.remove_folder,
            MOVE: self.move,
            SCAN: self.scan,
            DIGESTS: self.digests,
            PING: lambda *_: (DONE, b""),
        }

    def run(self) -> None:
        while True:
            number, code, force, size, mtime, mode, path, target, count = HEAD.unpack(
                self.wire.read(HEAD.size)
            )
            name, target = self.wire.read(path), self.wire.read(target)
            expects = [self.expected() for _ in range(count)]
            self.force, self.expects, self.code = force, expects, code
            try:
                result, rest = self.work[code](self.at(name), size, mtime, mode, target)
            except Clash as clash:
                result, rest = CONFLICT, clash.args[0]
            except OSError as error:
                result, rest = FAILED, (error.strerror or str(error)).encode()
            self.wire.answer(number, result, rest)

    def expected(self) -> bytes:
        head = self.wire.read(ENTRY.size)
        return head + self.wire.read(ENTRY.unpack(head)[-1])

    def at(self, name: bytes) -> bytes:
        return self.root + b"/" + name if name else self.root

    def staged(self) -> bytes:
        self.count += 1
        return b"%s/h%d-%d" % (self.staging, os.getpid(), self.count)

    def check(self, path: bytes) -> bytes | None:
        """What stands there; Clash where that is not what may be touched."""
        found = entry_of(path)
        if found is None:
            return None
        is_folder = found[0] == FOLDER_KIND
        if is_folder or not (self.force or any(same(found, known) for known in self.expects)):
            raise Clash(found)
        return found

    def put(self, path: bytes, size: int, mtime: int, mode: int, _target: bytes) -> Answer:
        in_place = self.code == PUT_IN_PLACE and os.path.exists(path)
        name = self.staged()
        problem: Exception | None = None
        digest = hashlib.blake2b(digest_size=20)
        handle: int | None = None
        try:
            try:
                if in_place:
                    self.check(path)
                    name = path
                    handle = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
                else:
                    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except (OSError, Clash) as error:
                problem = error
            try:
                for piece in self.wire.chunks():  # read to the end, whatever happened: the next frame follows
                    digest.update(piece)
                    try:
                        if problem is None and handle is not None:
                            write_all(handle, piece)
                    except OSError as error:
                        problem = error
            except ValueError:
                return UNSTABLE, b""
            if self.wire.read(20) != digest.digest():
                raise OSError("the bytes arrived damaged")
            if problem is not None or handle is None:
                raise problem or OSError("it could not be opened")
            os.fchmod(handle, mode)
            os.utime(handle, ns=(mtime, mtime))
            os.close(handle)
            handle = None
            if not in_place:
                self.check(path)
                os.rename(name, path)
            return DONE, (entry_of(path) or b"") + digest.digest()
        finally:
            if handle is not None:
                os.close(handle)
            if not in_place:
                remove_quietly(name)

    def link(self, path: bytes, _size: int, _mtime: int, _mode: int, target: bytes) -> Answer:
        self.check(path)
        name = self.staged()
        os.symlink(target, name)
        try:
            os.rename(name, path)
        finally:
            remove_quietly(name)
        return DONE, entry_of(path)

    def folder(self, path: bytes, _size: int, _mtime: int, mode: int, _target: bytes) -> Answer:
        try:
            os.mkdir(path, mode)
        except FileExistsError as error:
            found = entry_of(path)
            if found is None or found[0] != FOLDER_KIND:
                raise Clash(found or b"") from error
        return DONE, entry_of(path)

    def meta(self, path: bytes, _size: int, mtime: int, mode: int, _target: bytes) -> Answer:
        if self.check(path) is None:
            raise FileNotFoundError(2, "no such file or folder")
        os.chmod(path, mode)
        os.utime(path, ns=(mtime, mtime))
        return DONE, entry_of(path)

    def remove(self, path: bytes, _size: int, _mtime: int, _mode: int, _target: bytes) -> Answer:
        if self.check(path) is not None:
            os.unlink(path)
        return DONE, b""

    def remove_folder(self, path: bytes, _size: int, _mtime: int, _mode: int, _target: bytes) -> Answer:
        try:
            os.rmdir(path)
        except FileNotFoundError:
            pass
        except OSError:
            if entry_of(path) and os.listdir(path):
                return KEPT, b""
            raise
        return DONE, b""

    def move(self, path: bytes, _size: int, _mtime: int, _mode: int, target: bytes) -> Answer:
        new = self.at(target)
        there, found = entry_of(new), entry_of(path)
        if there is not None:
            raise Clash(there)
        if found is None:
            raise FileNotFoundError(2, "no such file or folder")
        if self.expects and not any(same(found, known) for known in self.expects):
            raise Clash(found)
        os.rename(path, new)
        return DONE, entry_of(new)

    def names(self) -> list[bytes]:
        data = zlib.decompress(b"".join(self.wire.chunks()))
        return data.split(b"\0") if data else [b""]

    def scan(self, *_: Any) -> Answer:
        parts = []
        for folder in self.names():
            try:
                members = os.listdir(self.at(folder))
            except OSError:
                continue
            for name in members:
                path = folder + b"/" + name if folder else name
                entry = entry_of(self.at(path))
                if entry is not None:
                    parts.append(path + b"\0" + LENGTH.pack(len(entry)) + entry)
        return DONE, zlib.compress(b"".join(parts), 1)

    def digests(self, *_: Any) -> Answer:
        parts = []
        for name in self.names():
            digest = hashlib.blake2b(digest_size=20)
            try:
                if not stat.S_ISREG(os.lstat(self.at(name)).st_mode):
                    continue
                with open(self.at(name), "rb") as file:
                    for piece in iter(lambda: file.read(1 << 20), b""):
                        digest.update(piece)
            except OSError:
                continue
            parts.append(name + b"\0" + digest.digest())
        return DONE, zlib.compress(b"".join(parts), 1)


def write_all(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]


def remove_quietly(path: bytes) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def main() -> None:
    wire = Wire()
    os.umask(0o022)
    try:
        (length,) = LENGTH.unpack(wire.read(4))
        root, staging = wire.read(length).split(b"\0")
        os.write(1, HELLO)
        Helper(wire, root, staging).run()
    except (EOFError, BrokenPipeError):
        sys.exit(0)
