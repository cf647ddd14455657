"""The `Watcher` port by inotify(7) itself: no polling, no thread, nothing between kernel and session."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import stat
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from devbox.errors import DevboxError
from devbox.ports.watcher import Changes

_MODIFY, _ATTRIB, _CLOSE_WRITE, _MOVED_FROM, _MOVED_TO = 0x02, 0x04, 0x08, 0x40, 0x80
_CREATE, _DELETE, _DELETE_SELF, _MOVE_SELF = 0x100, 0x200, 0x400, 0x800
_OVERFLOW, _IGNORED, _IS_FOLDER = 0x4000, 0x8000, 0x40000000
_ONLY_FOLDERS, _DONT_FOLLOW, _EXCL_UNLINK = 0x01000000, 0x02000000, 0x04000000
_WANTED = (
    _MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF
) | (_ONLY_FOLDERS | _DONT_FOLLOW | _EXCL_UNLINK)
_HEAD = struct.Struct("iIII")
_BUFFER = 256 * 1024

Covers = Callable[[bytes, bool], bool]


@dataclass(slots=True)
class _Seen:
    ready: set[bytes] = field(default_factory=set)
    open: set[bytes] = field(default_factory=set)
    subtrees: set[bytes] = field(default_factory=set)
    moves: list[tuple[bytes, bytes]] = field(default_factory=list)
    leaving: tuple[int, bytes] | None = None
    """A folder that was just renamed, by the number of that rename; where to comes next, if at all."""

    def changes(self) -> Changes:
        sets = frozenset(self.ready), frozenset(self.open), frozenset(self.subtrees)
        return Changes(*sets, tuple(self.moves))


class Inotify:
    """Watches the folders below `root` for which `covers(path, True)` is false."""

    def __init__(self, root: bytes, covers: Covers) -> None:
        self._root, self._covers = root, covers
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise _failed(ctypes.get_errno())
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)
        self._poll.register(self._woken, select.POLLIN)
        self._paths: dict[int, bytes] = {}
        self._numbers: dict[bytes, int] = {}
        self._renamed: list[bytes] = []
        """Folders that kept their watches under a new name; some below may have none yet."""
        self._watch_below(b"")

    def wait(self, timeout: float | None) -> Changes:
        """See `ports.watcher.Watcher.wait`."""
        seen = _Seen()
        self._watch_renamed(seen)
        if seen.subtrees:
            timeout = 0
        if self._poll.poll(None if timeout is None else timeout * 1000):
            self._drain_waker()
        for number, mask, cookie, name in self._events():
            if seen.leaving and not (mask & _MOVED_TO and cookie == seen.leaving[0]):
                self._left(seen)
            self._take(number, mask, cookie, name, seen)
        self._left(seen)
        return seen.changes()

    def wake(self) -> None:
        os.write(self._waker, b"w")

    def refresh(self) -> None:
        self._watch_below(b"")

    def close(self) -> None:
        for handle in (self._fd, self._woken, self._waker):
            os.close(handle)

    def _drain_waker(self) -> None:
        try:
            while os.read(self._woken, 64):
                pass
        except BlockingIOError:
            return

    def _events(self) -> Iterator[tuple[int, int, int, bytes]]:
        while True:
            try:
                data = os.read(self._fd, _BUFFER)
            except BlockingIOError:
                return
            at = 0
            while at < len(data):
                number, mask, cookie, length = _HEAD.unpack_from(data, at)
                at += _HEAD.size + length
                yield number, mask, cookie, data[at - length : at].rstrip(b"\0")

    def _take(self, number: int, mask: int, cookie: int, name: bytes, seen: _Seen) -> None:
        if mask & _OVERFLOW:
            self._watch_below(b"")
            seen.subtrees.add(b"")
            return
        folder = self._paths.get(number)
        if mask & _IGNORED:
            self._unmap(number)
        if folder is None or mask & _IGNORED:
            return
        if mask & (_DELETE_SELF | _MOVE_SELF):
            if not folder:  # the root itself: another one may have taken its place already
                self._watch_below(b"")
                seen.subtrees.add(b"")
            return
        if not name:
            return  # the folder itself, of which its parent's watch has told as well
        path = folder + b"/" + name if folder else name
        if mask & _IS_FOLDER:
            self._take_folder(path, mask, cookie, seen)
        elif not self._covers(path, False):
            self._take_file(path, mask, seen)

    def _take_folder(self, path: bytes, mask: int, cookie: int, seen: _Seen) -> None:
        if mask & _MOVED_FROM:
            seen.leaving = cookie, path
        covered = self._covers(path, True)
        if mask & _MOVED_TO and seen.leaving:
            if not covered and seen.leaving[1] in self._numbers:
                (_, old), seen.leaving = seen.leaving, None
                self._rename(old, path)
                seen.moves.append((old, path))
                seen.subtrees.add(path)
                return
            self._left(seen)
        if covered:
            return
        if mask & (_CREATE | _MOVED_TO):
            # What was made in it before the watch stood has no events: everything in it is in doubt.
            self._watch_below(path)
            seen.subtrees.add(path)
        else:
            seen.ready.add(path)

    def _left(self, seen: _Seen) -> None:
        """The folder that was renamed went out of the tree, or out of sight."""
        if seen.leaving:
            self._forget_below(seen.leaving[1])
            seen.leaving = None

    def _rename(self, old: bytes, new: bytes) -> None:
        """The watches of a folder and of all below it go with it: to the kernel they are the same ones."""
        prefix = old + b"/"
        below = [path for path in self._numbers if path == old or path.startswith(prefix)]
        for path, number in [(path, self._numbers.pop(path)) for path in below]:
            path = new + path[len(old) :]
            self._paths[number], self._numbers[path] = path, number
        self._renamed.append(new)

    def _watch_renamed(self, seen: _Seen) -> None:
        """Folders below renamed ones that have no watch: too new then, or ignored under the old name.

        That takes as long as there are folders, so that it is not done where a rename waits to be followed.
        """
        for folder in self._renamed:
            before = set(self._paths)
            self._watch_below(folder)
            seen.subtrees.update(self._paths[number] for number in self._paths.keys() - before)
        self._renamed = []

    def _take_file(self, path: bytes, mask: int, seen: _Seen) -> None:
        written = mask & (_CREATE | _MODIFY)
        if written and not (mask & _CREATE and self._is_complete(path)):
            seen.open.add(path)
        else:
            seen.ready.add(path)

    def _is_complete(self, path: bytes) -> bool:
        """Links, hard links and the like come into being whole; nobody will close them."""
        try:
            state = os.lstat(os.path.join(self._root, path))
        except OSError:
            return True
        return not stat.S_ISREG(state.st_mode) or state.st_nlink > 1

    def _watch_below(self, folder: bytes) -> None:
        pending = [folder]
        while pending:
            path = pending.pop()
            if not self._add(path):
                continue
            try:
                with os.scandir(os.path.join(self._root, path)) as members:
                    below = [one.name for one in members if one.is_dir(follow_symlinks=False)]
            except OSError:
                continue
            names = [path + b"/" + name if path else name for name in below]
            pending += [name for name in names if not self._covers(name, True)]

    def _add(self, path: bytes) -> bool:
        place = os.path.join(self._root, path) if path else self._root
        number = self._libc.inotify_add_watch(self._fd, place, _WANTED)
        if number < 0:
            code = ctypes.get_errno()
            if code in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP):
                return False
            raise _failed(code)
        self._unmap(number)
        self._paths[number] = path
        self._numbers[path] = number
        return True

    def _unmap(self, number: int) -> None:
        path = self._paths.pop(number, None)
        if path is not None and self._numbers.get(path) == number:
            del self._numbers[path]

    def _forget_below(self, folder: bytes) -> None:
        prefix = folder + b"/"
        for path in [one for one in self._numbers if one == folder or one.startswith(prefix)]:
            number = self._numbers[path]
            self._unmap(number)
            self._libc.inotify_rm_watch(self._fd, number)


def _failed(code: int) -> DevboxError:
    if code == errno.ENOSPC:
        why = "the kernel's limit of watched folders is reached"
        fix = "sudo sysctl fs.inotify.max_user_watches=1048576"
    else:
        why = os.strerror(code)
        fix = "sudo sysctl fs.inotify.max_user_instances=1024"
    return DevboxError("the local tree cannot be watched", why=why, next_steps=[fix])
