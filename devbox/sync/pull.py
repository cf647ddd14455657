"""Bringing one file of the host home: lock files, migrations, whatever was made there."""

from __future__ import annotations

import os
import tempfile

from devbox.errors import DevboxError
from devbox.ports.tree import Kind, Tree, new_digest
from devbox.sync import scan
from devbox.sync.index import Index
from devbox.sync.model import Local, Record, parent_of, printable
from devbox.sync.place import Place


def pull(tree: Tree, index: Index, place: Place, path: bytes, force: bool) -> int:
    """Bytes brought home. A local file with changes of its own is not overwritten without `force`."""
    entry = tree.scan([parent_of(path)]).get(path)
    if entry is None or entry.kind is not Kind.FILE:
        raise DevboxError("there is no such file on the host", where=f"{place.host}:{printable(path)}")
    target = os.path.join(place.root, path)
    _refuse_newer(target, index.record(path), path, force)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    digest, count = new_digest(), 0
    handle, staged = tempfile.mkstemp(dir=os.path.dirname(target), prefix=scan.STAGED)
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in tree.read(path):
                digest.update(piece)
                count += file.write(piece)
        os.chmod(staged, 0o755 if entry.mode & 0o100 else 0o644)
        os.replace(staged, target)
    except BaseException:
        os.unlink(staged)
        raise
    state = os.lstat(target)
    times = (state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
    local = Local(Kind.FILE, state.st_size, *times, 0o755 if state.st_mode & 0o100 else 0o644)
    index.agree(path, Record(local, entry, digest.digest(), racy=True))
    return count


def _refuse_newer(target: bytes, record: Record | None, path: bytes, force: bool) -> None:
    try:
        state = os.lstat(target)
    except FileNotFoundError:
        return
    known = record and (record.local.size, record.local.mtime_ns) == (state.st_size, state.st_mtime_ns)
    if not known and not force:
        raise DevboxError(
            "the local file has changes that the host does not have",
            where=printable(path),
            next_steps=[f"devbox sync --take remote {printable(path)}   (overwrites the local file)"],
        )
