"""Which folders have another name now, and nothing else about them has changed. Touches nothing outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from devbox.ports.tree import Kind
from devbox.sync.model import Local, Record, View


@dataclass(frozen=True, slots=True)
class Rename:
    """A renamed folder. `pairs`: old path -> new path, of itself and of everything below it."""

    old: bytes
    new: bytes
    pairs: Mapping[bytes, bytes]


def agrees(local: Local, record: Record) -> bool:
    """Whether the local side still is what was agreed on (a mode alone is handled apart)."""
    known = record.local
    if local.kind is Kind.LINK:
        return local.target == known.target
    if local.kind is Kind.DIRECTORY:
        return True
    same = (local.size, local.mtime_ns, local.inode) == (known.size, known.mtime_ns, known.inode)
    return same and (local.ctime_ns == known.ctime_ns or local.mode != known.mode)


def found(view: View) -> list[Rename]:
    """Renamed folders: gone here, and the same inode stands where the index knows nothing.

    Only whole folders whose files are all as they were are moved; everything else is put and removed.
    """
    by_inode = {
        record.local.inode: path
        for path, record in view.records.items()
        if record.local.kind is Kind.DIRECTORY and path not in view.local
    }
    renames: list[Rename] = []
    done: set[bytes] = set()
    for path, local in sorted(view.local.items()):
        old = by_inode.get(local.inode)
        if local.kind is not Kind.DIRECTORY or old is None or path in view.records or path in done:
            continue
        if any(old == one or old.startswith(one + b"/") for one in done):
            continue
        if view.remote is not None and (path in view.remote or old not in view.remote):
            continue
        if path.startswith(old + b"/") or parent_is_new(path, view):
            continue
        pairs = _same_below(old, path, view)
        if pairs:
            renames.append(Rename(old, path, pairs))
            done.update(pairs, pairs.values())
    return renames


def parent_is_new(path: bytes, view: View) -> bool:
    """Whether the folder above is no folder on the host yet, so that nothing can be moved into it."""
    parent = path.rpartition(b"/")[0]
    known = view.records.get(parent)
    return bool(parent) and (known is None or known.local.kind is not Kind.DIRECTORY)


def _same_below(old: bytes, new: bytes, view: View) -> Mapping[bytes, bytes]:
    """Old path -> new path of the folder and all below it, when nothing but the name changed; else empty."""
    prefix = old + b"/"
    pairs = {old: new}
    if any(one in pairs or one == new or one.startswith((prefix, new + b"/")) for one in view.intents):
        return {}  # what an interrupted session left in it would move along, unknown
    for path, record in view.records.items():
        if not path.startswith(prefix):
            continue
        moved = new + path[len(old) :]
        local = view.local.get(moved)
        if path in view.local or local is None or local.kind is not record.local.kind:
            return {}
        if not agrees(local, record) or record.local.mode != local.mode:
            return {}
        pairs[path] = moved
    extra = sum(path.startswith(new + b"/") for path in view.local)
    return pairs if extra == len(pairs) - 1 else {}
