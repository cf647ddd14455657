"""The local tree as it is now: stat, never open."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field

from devbox.config.modes import USUAL, Modes
from devbox.ports.tree import STAGING, Kind, SourceChanged, new_digest
from devbox.sync.ignore import Ignore
from devbox.sync.model import Local, above, escapes, parent_of

STAGED = os.fsencode(STAGING + ".")
"""How the names of our own half-made local files begin; the ignore rules cover them."""


_FIELDS = struct.Struct(">BQqqQIII")


@dataclass(slots=True)
class Found:
    """What a scan saw. `skipped`: sockets, devices and the like, and links that lead out of the tree."""

    modes: Modes = USUAL
    """Those that the host shall have."""
    entries: dict[bytes, Local] = field(default_factory=dict)
    skipped: dict[bytes, str] = field(default_factory=dict)
    marks: dict[bytes, bytes] = field(default_factory=dict)
    """Every folder that was listed -> a digest of all that is directly in it and not ignored."""
    passed: set[bytes] = field(default_factory=set)
    """Folders in which all is as it was known to be: of what is directly in them, only folders are kept."""

    def below_others(self, folders: Set[bytes]) -> dict[bytes, Local]:
        """All folders, and all that is not directly in one of `folders`."""
        if self.marks.keys() <= folders:  # nothing is: the many files need not be gone through
            return {path: self.entries[path] for path in self.marks if path}
        return {
            path: one
            for path, one in self.entries.items()
            if one.kind is Kind.DIRECTORY or parent_of(path) not in folders
        }


def scan(
    root: bytes, ignore: Ignore, below: bytes, found: Found, known: Mapping[bytes, bytes] | None = None
) -> None:
    """Add everything below the folder `below` that is not ignored (not the folder itself).

    Folders that still have their mark in `known` are passed over: their files would fill the memory in vain.
    """
    top = _stands(root, below) if below else None
    pending = [below] if not below or (top and stat.S_ISDIR(top.st_mode)) else []
    while pending:
        folder = pending.pop()
        try:
            pending += _members(root, ignore, folder, found, known or {})
        except (FileNotFoundError, NotADirectoryError):
            continue  # it went while we looked: its event says so
        except OSError as error:
            found.skipped[folder] = error.strerror or str(error)


def complete(root: bytes, ignore: Ignore, folders: Set[bytes], found: Found) -> bool:
    """Add what was passed over in these folders; False when it has changed meanwhile."""
    for folder in folders:
        again = Found(found.modes)
        try:
            _members(root, ignore, folder, again, {})
        except OSError:
            return False
        if again.marks[folder] != found.marks[folder]:
            return False
        found.entries.update(again.entries)
        found.passed.discard(folder)
    return True


def _members(
    root: bytes, ignore: Ignore, folder: bytes, found: Found, known: Mapping[bytes, bytes]
) -> list[bytes]:
    """Add what is directly in a folder, and its mark; the folders in it."""
    prefix, entries, folders = folder + b"/" if folder else b"", dict[bytes, Local](), list[bytes]()
    with os.scandir(os.path.join(root, folder)) as listing:
        members = {member.name: member for member in listing}
    suspects = ignore.suspects(folder, members)
    for name, member in members.items():
        path = prefix + name
        if name in suspects and ignore.covers(path, member.is_dir(follow_symlinks=False)):
            continue
        try:
            state = member.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue  # only that one went; the others are still there
        local = _local(root, path, state, found)
        if local:
            entries[path] = local
            if local.kind is Kind.DIRECTORY:
                folders.append(path)
    packed = sorted([_packed(path, one) for path, one in entries.items()])
    mark = found.marks[folder] = new_digest(b"".join(packed)).digest()
    if packed and mark == known.get(folder):
        found.passed.add(folder)
        entries = {path: entries[path] for path in folders}
    found.entries.update(entries)
    return folders


def _packed(path: bytes, one: Local) -> bytes:
    kind, size, mtime, ctime, inode, mode, target = one
    fields = _FIELDS.pack(kind, size, mtime, ctime, inode, mode, len(path), len(target))
    return b"%s\0%s%s" % (path, target, fields)


def look(root: bytes, ignore: Ignore, path: bytes, found: Found) -> None:
    """Add what stands at `path` now, if it is not ignored."""
    state = _stands(root, path)
    if state and not ignore.covers(path, stat.S_ISDIR(state.st_mode)):
        local = _local(root, path, state, found)
        if local:
            found.entries[path] = local


def _stands(root: bytes, path: bytes) -> os.stat_result | None:
    """What stands at a path of the tree. Nothing does where a folder above it is a link by now."""
    try:
        for folder in above(path):
            if not stat.S_ISDIR(os.lstat(os.path.join(root, folder)).st_mode):
                return None
        return os.lstat(os.path.join(root, path))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _local(root: bytes, path: bytes, state: os.stat_result, found: Found) -> Local | None:
    """What has this stat; `None` when it is never sent, with the reason in `found.skipped`."""
    mode = state.st_mode
    if stat.S_ISREG(mode):
        times = (state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
        return Local(Kind.FILE, state.st_size, *times, found.modes.of(mode))
    if stat.S_ISDIR(mode):
        # Times of folders change with their content and mean nothing here; the inode tells of renames.
        return Local(Kind.DIRECTORY, inode=state.st_ino, mode=found.modes.folder)
    if stat.S_ISLNK(mode):
        return _link(root, path, found)
    found.skipped[path] = "neither file, folder nor link"
    return None


def _link(root: bytes, path: bytes, found: Found) -> Local | None:
    try:
        target = os.readlink(os.path.join(root, path))
    except OSError:
        return None
    if escapes(path, target):
        found.skipped[path] = "a link that leads out of the tree"
        return None
    return Local(Kind.LINK, mode=0o777, target=target)


@dataclass(frozen=True, slots=True)
class LocalFile:
    """The bytes of one local file, promised to be those that were scanned."""

    file: bytes
    promised: Local

    def chunks(self, size: int) -> Iterator[bytes]:
        """See `ports.tree.Source`."""
        try:
            handle = os.open(self.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise SourceChanged(error.strerror or str(error)) from error
        try:
            left = self.promised.size
            if left > size or not left:  # one piece is checked at its end
                self._check(os.fstat(handle))
            while left > 0:
                piece = os.read(handle, min(size, left))
                if not piece:
                    raise SourceChanged("it became shorter while it was read")
                left -= len(piece)
                if not left:
                    self._check(os.fstat(handle))  # before the last bytes leave, so that none are in vain
                yield piece
        except OSError as error:
            raise SourceChanged(error.strerror or str(error)) from error
        finally:
            os.close(handle)

    def digest(self) -> bytes:
        """The digest of its bytes now; b"" when it is not what was scanned."""
        digest = new_digest()
        try:
            for piece in self.chunks(1 << 20):
                digest.update(piece)
        except SourceChanged:
            return b""
        return digest.digest()

    def _check(self, state: os.stat_result) -> None:
        now = (state.st_size, state.st_mtime_ns, state.st_ino)
        if now != (self.promised.size, self.promised.mtime_ns, self.promised.inode):
            raise SourceChanged("it changed while it was read")
