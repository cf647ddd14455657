"""What stands at a path, packed; and whether two packed entries can be the same."""

from __future__ import annotations

import os
import stat

from devbox.adapters.helper.remote.wire import ENTRY, FILE_KIND, FOLDER_KIND, LINK_KIND, OTHER_KIND

SECOND = 1000000000


def state_of(path: bytes) -> os.stat_result | None:
    """What stands there, or None."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def kind_of(mode: int) -> int:
    """The kind in the words of the wire."""
    if stat.S_ISREG(mode):
        return FILE_KIND
    if stat.S_ISDIR(mode):
        return FOLDER_KIND
    return LINK_KIND if stat.S_ISLNK(mode) else OTHER_KIND


def packed(state: os.stat_result, target: bytes) -> bytes:
    """A state as it travels."""
    mode = state.st_mode
    fields = (state.st_size, state.st_mtime_ns, mode & 0o7777, state.st_ctime_ns, len(target))
    return ENTRY.pack(kind_of(mode), 0, *fields) + target


def entry_of(path: bytes) -> bytes | None:
    """What stands there as a packed entry, or None."""
    state = state_of(path)
    if state is None:
        return None
    return packed(state, os.readlink(path) if stat.S_ISLNK(state.st_mode) else b"")


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
