"""Files on disk: what would change, changing it whole or not at all, and remembering what is ours."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from devbox.errors import DevboxError
from devbox.pycharm import merge as merging
from devbox.pycharm.records import Kept, Merge, Ours, Record, everything, nothing
from devbox.pycharm.records import Path as Place
from devbox.pycharm.render import Plain, Wanted
from devbox.pycharm.xml import Malformed, parse

Taken = Callable[[str, Place], bool]
"""Whether ours is taken in this file at that place although somebody else put something there."""

NEVER = "workspace.xml"
_WHOLE = ("whole file",)
"""The place of the record of a file that is no XML."""
_FOLDERS = (".idea", ".run")


@dataclass(frozen=True, slots=True)
class Change:
    """One file, before and after (`None`: it does not exist). `problem` says why it was left alone."""

    path: Path
    name: str
    before: bytes | None
    after: bytes | None
    ours: Ours = field(default_factory=Ours)
    kept: tuple[Kept, ...] = ()
    problem: str = ""

    @property
    def verb(self) -> str:
        """What happens to the file, in one word or two."""
        if self.problem:
            return "left alone"
        if self.before == self.after:
            return "unchanged"
        if self.after is None:
            return "removed"
        return "written" if self.before is None else "merged"


def never(_name: str, place: Place) -> bool:
    """What others put there wins everywhere."""
    return nothing(place)


def always(_name: str, place: Place) -> bool:
    """Ours wins everywhere: --force."""
    return everything(place)


def plan(
    folder: Path, wanted: Iterable[Wanted | Plain], last: Mapping[str, Ours], taken: Taken = never
) -> list[Change]:
    """What writing these files would change; files of ours that nobody wants any more are taken back."""
    files = list(wanted)
    changes = [
        Change(folder / one.path, one.path, None, None, last[one.path], (_gone(one.path),))
        if _deleted(folder, one.path, last) and not taken(one.path, (one.path,))
        else _planned(folder, one, last.get(one.path, Ours()), taken)
        for one in files
    ]
    gone = {name: ours for name, ours in last.items() if name not in {one.path for one in files}}
    return [*changes, *plan_removal(folder, gone)]


def _gone(name: str) -> Kept:
    return Kept((name,), "was deleted since; left out", settled=True)


def _deleted(folder: Path, name: str, last: Mapping[str, Ours]) -> bool:
    """Whether somebody deleted this file of ours: it alone is gone, not the whole folder with it."""
    parent = Path(name).parent
    beside = [other for other, ours in last.items() if ours.records and Path(other).parent == parent]
    return (
        name in beside and not (folder / name).exists() and any((folder / other).exists() for other in beside)
    )


def _planned(folder: Path, wanted: Wanted | Plain, last: Ours, taken: Taken) -> Change:
    if isinstance(wanted, Plain):
        return _plain(folder / wanted.path, wanted, last)
    assert not wanted.path.endswith(NEVER)
    path = folder / wanted.path
    try:
        before = read(path)
        merged = merging.merge(
            before, wanted.root, wanted.kind, last.records, lambda place: taken(wanted.path, place)
        )
    except DevboxError as error:
        return Change(path, wanted.path, None, None, last, problem=str(error))
    if merged.refused:
        return Change(path, wanted.path, before, before, last, problem=merged.refused)
    kept = [replace(one, settled=True) if last.declines(one) else one for one in merged.kept]
    declined = {one.path: one.want for one in kept if last.declines(one)}
    ours = Ours(merged.records, last.created or before is None, declined)
    after = merged.document.to_bytes() if merged.records or before is not None else None
    return Change(path, wanted.path, before, after, ours, tuple(kept))


def _plain(path: Path, wanted: Plain, last: Ours) -> Change:
    """Ours as long as nobody changed it; any other file of that name is the user's and stays."""
    try:
        before = read(path)
    except DevboxError as error:
        return Change(path, wanted.path, None, None, last, problem=str(error))
    record = last.records.get(_WHOLE)
    if before is not None and not (record and before == record.wrote.encode()):
        return Change(path, wanted.path, before, before)
    ours = Ours({_WHOLE: Record(_WHOLE, wanted.text)}, created=True)
    return Change(path, wanted.path, before, wanted.text.encode(), ours)


def decline(change: Change) -> Change:
    """The change with everything that it leaves to others decided: it is not asked about again."""
    declined = {one.path: one.want for one in change.kept if one.want}
    kept = tuple(replace(one, settled=True) for one in change.kept)
    return replace(change, ours=replace(change.ours, declined=declined), kept=kept)


def plan_removal(folder: Path, last: Mapping[str, Ours]) -> list[Change]:
    """What taking everything of ours out would change."""
    return [_removal(folder / name, name, ours) for name, ours in last.items()]


def _removal(path: Path, name: str, ours: Ours) -> Change:
    try:
        before = read(path)
        if before is None:
            return Change(path, name, None, None)
        if record := ours.records.get(_WHOLE):
            return Change(path, name, before, None if before == record.wrote.encode() else before)
        state = Merge(parse(before), dict(ours.records))
        merging.take_back(state, list(ours.records.values()))
    except DevboxError as error:
        return Change(path, name, None, None, ours, problem=str(error))
    empty = ours.created and not state.document.root.children
    return Change(path, name, before, None if empty else state.document.to_bytes(), kept=tuple(state.kept))


def read(path: Path) -> bytes | None:
    """The file's bytes, `None` when there is none. `Malformed` when it is there and cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Malformed("cannot be read", why=error.strerror or str(error)) from error


def new(wanted: Wanted) -> bytes:
    """The file as it is where there is none yet."""
    return merging.merge(None, wanted.root, wanted.kind, {}).document.to_bytes()


def apply(change: Change) -> None:
    """Make the change in one step. `DevboxError` when the file changed since it was planned."""
    if change.problem or change.before == change.after:
        return
    target = Path(os.path.realpath(change.path))
    if read(target) != change.before:
        raise DevboxError(
            "changed while it was being merged", where=str(change.path), next_steps=["devbox pycharm"]
        )
    if change.after is not None:
        write(target, change.after)
        return
    target.unlink()
    if target.parent.name in _FOLDERS:
        with contextlib.suppress(OSError):
            target.parent.rmdir()  # only when nothing else is in it


def back_up(changes: Iterable[Change], parent: Path) -> Path | None:
    """Copy the files that will change into a new folder; `None` when none is there to copy."""
    at_stake = [one for one in changes if one.before is not None and one.before != one.after]
    if not at_stake:
        return None
    folder = parent / datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
    for change in at_stake:
        write(folder / change.name, change.before or b"")
    return folder


def write(path: Path, data: bytes) -> None:
    """Put the file there whole, with the mode that it had."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~_umask()
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except OSError as error:
        raise DevboxError("cannot be written", where=str(path), why=error.strerror or str(error)) from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
