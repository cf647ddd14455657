"""The operations. Each checks that the target still is what was expected, stages, verifies the digest of the
bytes and renames: to everybody on the host a file changes in one step.

Nothing is synced to the disk by force: after a power cut the next scan sees by size and times what is not
there, and sends it again.
"""

from __future__ import annotations

import os
from _blake2 import blake2b

from devbox.adapters.helper.remote import wire as shape
from devbox.adapters.helper.remote.entries import entry_of, same, state_of
from devbox.adapters.helper.remote.large import Basis, keep, part_of
from devbox.adapters.helper.remote.places import Places, remove_quietly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from devbox.adapters.helper.remote.wire import Request, Wire

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
OLD = os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW


class Clash(Exception):
    """Something else stands there; the argument is its entry."""


class Operations:
    def __init__(self, wire: Wire, places: Places) -> None:
        self.wire, self.places = wire, places
        self.basis = Basis(b"", b"")
        self.table: dict[int, Any] = {
            shape.PUT: self.put,
            shape.LINK: self.link,
            shape.MKDIR: self.folder,
            shape.META: self.meta,
            shape.REMOVE: self.remove,
            shape.RMDIR: self.remove_folder,
            shape.MOVE: self.move,
            shape.BLOCKS: self.blocks,
        }

    def check(self, path: bytes, ask: Request) -> bool:
        """Whether something stands there; Clash where that is not what may be touched."""
        if state_of(path) is None:
            return False
        found = entry_of(path) or b""
        is_folder = found[:1] == b"\2"
        if is_folder or not (ask.flags & shape.FORCE or any(same(found, known) for known in ask.expects)):
            raise Clash(found)
        return True

    def put(self, ask: Request) -> tuple[int, bytes]:
        path = self.places.at(ask.path)
        in_place = ask.flags & shape.IN_PLACE and os.path.exists(path)
        try:
            if in_place:
                self.check(path, ask)
            name = path if in_place else self.places.staged()
            handle = os.open(name, OLD) if in_place else os.open(name, NEW, ask.mode)
        except (OSError, Clash):
            if not ask.flags & shape.INLINE:
                self.skip()
            raise
        part = part_of(self.places.staging, ask.path)
        try:
            result = self.fill(handle, ask)
            if result != shape.DONE:
                if not in_place:
                    keep(name, part)  # most of a version that was overtaken is in the next one as well
                return result, b""
            if not in_place:
                self.check(path, ask)
                os.rename(name, path)
        except EOFError:
            result = shape.FAILED
            if not in_place:
                keep(name, part)
            raise
        except BaseException:
            result = shape.FAILED
            raise
        finally:
            if result != shape.DONE and not in_place:
                remove_quietly(name)
        if ask.size >= shape.LARGE:
            self.basis.close()
            remove_quietly(part)
        return shape.DONE, settled(path, ask.mode)

    def blocks(self, ask: Request) -> tuple[int, bytes]:
        """The digests of the blocks that are here already of a file; the put that follows refers to them."""
        self.basis.close()
        self.basis = Basis(part_of(self.places.staging, ask.path), self.places.at(ask.path))
        held: list[bytes] = []
        for digest in self.basis.digests():
            held.append(digest)
            if len(held) == 64:
                self.wire.answer(ask.number, shape.MORE, b"".join(held))
                self.wire.flush()
                held = []
        return shape.DONE, b"".join(held)

    def fill(self, handle: int, ask: Request) -> int:
        """Write the content into the open file and close it."""
        try:
            if ask.flags & shape.INLINE:
                content, digest = ask.content[: -shape.DIGEST], ask.content[-shape.DIGEST :]
                if blake2b(content, digest_size=shape.DIGEST).digest() != digest:
                    raise OSError("the bytes arrived damaged")
                write_all(handle, content)
            elif not self.stream(handle):
                return shape.UNSTABLE
            os.utime(handle, ns=(ask.mtime, ask.mtime))
        finally:
            os.close(handle)
        return shape.DONE

    def stream(self, handle: int) -> bool:
        """Write a content that comes in chunks; False when the other side takes it back.

        It is read to its end, whatever happens: the next request follows.
        """
        problem = None
        digest = blake2b(digest_size=shape.DIGEST)
        try:
            for piece in self.wire.chunks(self.basis.block):
                digest.update(piece)
                try:
                    if problem is None:
                        write_all(handle, piece)
                except OSError as error:
                    problem = error
        except ValueError:
            return False
        if self.wire.read(shape.DIGEST) != digest.digest():
            raise OSError("the bytes arrived damaged")
        if problem is not None:
            raise problem
        return True

    def skip(self) -> None:
        """Read a content that nobody wants."""
        try:
            for _ in self.wire.chunks(self.basis.block):
                pass
            self.wire.read(shape.DIGEST)
        except ValueError:
            pass

    def link(self, ask: Request) -> tuple[int, bytes]:
        path, name = self.places.at(ask.path), self.places.staged()
        self.check(path, ask)
        os.symlink(ask.target, name)
        try:
            os.rename(name, path)
        except OSError:
            remove_quietly(name)
            raise
        return shape.DONE, entry_of(path) or b""

    def folder(self, ask: Request) -> tuple[int, bytes]:
        path = self.places.at(ask.path)
        try:
            os.mkdir(path, ask.mode)
            made = os.lstat(path).st_mode
            if made & 0o777 != ask.mode & 0o777 or ask.mode & ~made:  # the umask; what is set above stays
                os.chmod(path, ask.mode | made & 0o7000)
        except FileExistsError as error:
            found = entry_of(path)
            if found is None or found[:1] != b"\2":
                raise Clash(found or b"") from error
        return shape.DONE, entry_of(path) or b""

    def meta(self, ask: Request) -> tuple[int, bytes]:
        path = self.places.at(ask.path)
        if not self.check(path, ask):
            raise FileNotFoundError(2, "no such file or folder")
        os.chmod(path, ask.mode)
        os.utime(path, ns=(ask.mtime, ask.mtime))
        return shape.DONE, entry_of(path) or b""

    def remove(self, ask: Request) -> tuple[int, bytes]:
        path = self.places.at(ask.path)
        if self.check(path, ask):
            os.unlink(path)
        return shape.DONE, b""

    def remove_folder(self, ask: Request) -> tuple[int, bytes]:
        path = self.places.at(ask.path)
        try:
            os.rmdir(path)
        except FileNotFoundError:
            pass
        except OSError:
            if state_of(path) and os.listdir(path):
                return shape.KEPT, b""
            raise
        return shape.DONE, b""

    def move(self, ask: Request) -> tuple[int, bytes]:
        path, new = self.places.at(ask.path), self.places.at(ask.target)
        there, found = entry_of(new), entry_of(path)
        if there is not None:
            raise Clash(there)
        if found is None:
            raise FileNotFoundError(2, "no such file or folder")
        if ask.expects and not any(same(found, known) for known in ask.expects):
            raise Clash(found)
        os.rename(path, new)
        return shape.DONE, entry_of(new) or b""


def settled(path: bytes, mode: int) -> bytes:
    """The entry of a file that was put; a folder's default ACL may have made its mode another."""
    found = entry_of(path) or b""
    if found[:1] == b"\1" and shape.ENTRY.unpack_from(found)[4] != mode:
        os.chmod(path, mode)
        found = entry_of(path) or b""
    return found


def write_all(handle: int, data: bytes) -> None:
    """Write all of it."""
    while data:
        data = data[os.write(handle, data) :]
