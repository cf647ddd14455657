"""Bringing files of the host home: lock files, migrations, whatever was made there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass

from devbox.errors import DevboxError
from devbox.ports.tree import Entry, Kind, Tree, new_digest
from devbox.sync import scan
from devbox.sync.ignore import Ignore
from devbox.sync.index import Index
from devbox.sync.model import Local, Record, parent_of, printable
from devbox.sync.place import Place


@dataclass(frozen=True, slots=True)
class Pull:
    """Brings home what was made on the host. Files with changes of their own here are not overwritten."""

    tree: Tree
    index: Index
    place: Place
    ignore: Ignore
    force: bool = False
    """Overwrite them all the same: the user took the host's side."""

    def run(self, path: bytes) -> list[bytes]:
        """Bring a file home, or what is new in a folder and not ignored. The paths that came."""
        entry = self.tree.scan([parent_of(path)]).get(path) if path else Entry(Kind.DIRECTORY)
        if entry is not None and entry.kind is Kind.DIRECTORY:
            return self._folder(path)
        if entry is None or entry.kind is not Kind.FILE:
            raise DevboxError(
                "there is no such file on the host", where=f"{self.place.host}:{printable(path)}"
            )
        self._refuse_newer([path])
        self._file(path, entry)
        return [path]

    def _folder(self, path: bytes) -> list[bytes]:
        found, folders = dict[bytes, Entry](), [path]
        while folders:
            members = {
                one: entry
                for one, entry in self.tree.scan(folders).items()
                if not self.ignore.covers(one, entry.kind is Kind.DIRECTORY)
            }
            folders = [one for one, entry in members.items() if entry.kind is Kind.DIRECTORY]
            found.update((one, entry) for one, entry in members.items() if entry.kind is Kind.FILE)
        new = {one: entry for one, entry in found.items() if self._differs(one, entry)}
        self._refuse_newer(new)
        for one, entry in new.items():
            self._file(one, entry)
        return sorted(new)

    def _differs(self, path: bytes, entry: Entry) -> bool:
        record = self.index.record(path)
        return record is None or not entry.matches(record.remote)

    def _refuse_newer(self, paths: Iterable[bytes]) -> None:
        """All or none: what has changes here that the host does not have stands against it."""
        newer = [path for path in paths if not self.force and self._newer_here(path)]
        if newer:
            shown = printable(newer[0])
            raise DevboxError(
                "the local file has changes that the host does not have",
                where=", ".join(map(printable, newer[:3])) + (", …" if len(newer) > 3 else ""),
                next_steps=[f"devbox sync --take remote {shown}   (overwrites the local file)"],
            )

    def _newer_here(self, path: bytes) -> bool:
        try:
            state = os.lstat(self.place.here(path))
        except FileNotFoundError:
            return False
        record = self.index.record(path)
        known = record and (record.local.size, record.local.mtime_ns) == (state.st_size, state.st_mtime_ns)
        return not known

    def _file(self, path: bytes, entry: Entry) -> None:
        target = self.place.here(path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        digest = new_digest()
        handle, staged = tempfile.mkstemp(dir=os.path.dirname(target), prefix=scan.STAGED)
        try:
            with os.fdopen(handle, "wb") as file:
                for piece in self.tree.read(path):
                    digest.update(piece)
                    file.write(piece)
            os.chmod(staged, 0o755 if entry.mode & 0o100 else 0o644)
            os.replace(staged, target)
        except BaseException:
            os.unlink(staged)
            raise
        state = os.lstat(target)
        times = (state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
        local = Local(Kind.FILE, state.st_size, *times, self.place.modes.of(state.st_mode))
        self.index.agree(path, Record(local, entry, digest.digest(), racy=True))
