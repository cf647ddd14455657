"""The plan: a pure diff of the local tree, the index, and (when it was looked at) the remote tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from devbox.ports.tree import (
    Entry,
    Kind,
    MakeDirectory,
    Move,
    Operation,
    Put,
    PutLink,
    Remove,
    RemoveDirectory,
    SetMeta,
    Source,
)
from devbox.sync.model import Conflict, Local, Plan, Record, View

MANY_DELETES = 20
"""Fewer deletes than this are never held back."""

SourceOf = Callable[[bytes, Local], Source]


@dataclass(slots=True)
class _Draft:
    """The waves by what they do."""

    moves: list[Operation] = field(default_factory=list)
    clear: list[Operation] = field(default_factory=list)
    folders: list[Operation] = field(default_factory=list)
    puts: list[Operation] = field(default_factory=list)
    removes: list[Operation] = field(default_factory=list)
    emptied: list[Operation] = field(default_factory=list)


def make(view: View, source_of: SourceOf, in_place: frozenset[bytes] = frozenset()) -> Plan:
    """What has to be done so that the remote side follows the local one."""
    plan, draft = Plan(), _Draft()
    moved = _moves(view, plan, draft, source_of)
    blocked: set[bytes] = set()
    for path in sorted({*view.local, *view.records}):
        if path in moved:
            continue
        if any(path.startswith(above + b"/") for above in blocked):
            continue
        if not _decide(path, view, plan, draft, source_of, in_place):
            blocked.add(path)
    plan.waves = _waves(view, draft)
    return plan


def _waves(view: View, draft: _Draft) -> list[list[Operation]]:
    """Deletes come last, so that nothing is missing meanwhile, but for those that make room."""
    draft.emptied.sort(key=lambda operation: operation.path, reverse=True)
    room = {path for path, local in view.local.items() if local.kind is not Kind.DIRECTORY}

    def in_the_way(operation: Operation) -> bool:
        return operation.path in room or any(above in room for above in _above(operation.path))

    clear = draft.clear + [one for one in draft.removes if in_the_way(one)]
    clear_folders = [one for one in draft.emptied if in_the_way(one)]
    removes = [one for one in draft.removes if not in_the_way(one)]
    emptied = [one for one in draft.emptied if not in_the_way(one)]
    waves = [draft.moves, clear, clear_folders, draft.folders, draft.puts, removes, emptied]
    return [wave for wave in waves if wave]


def _above(path: bytes) -> list[bytes]:
    parts = path.split(b"/")
    return [b"/".join(parts[:depth]) for depth in range(1, len(parts))]


def too_many_deletes(plan: Plan, known: Callable[[], int]) -> bool:
    """Whether the plan deletes so much of what the index knows that a person should say yes to it."""
    deletes = sum(isinstance(operation, Remove) for operation in plan.operations)
    return deletes >= MANY_DELETES and deletes * 2 > known()


def without_deletes(plan: Plan) -> list[bytes]:
    """Take the deletes out of the plan; their paths. What is deleted to make room stays in."""
    wanted = {one.path for one in plan.operations if not isinstance(one, Remove | RemoveDirectory)}
    parked = [
        one.path
        for one in plan.operations
        if isinstance(one, Remove | RemoveDirectory) and one.path not in wanted
    ]
    gone = set(parked)
    plan.waves = [[one for one in wave if one.path not in gone] for wave in plan.waves]
    plan.waves = [wave for wave in plan.waves if wave]
    plan.forget = [path for path in plan.forget if path not in gone]
    return parked


def _decide(
    path: bytes,
    view: View,
    plan: Plan,
    draft: _Draft,
    source_of: SourceOf,
    in_place: frozenset[bytes],
) -> bool:
    """One path. False when a conflict stands there, so that nothing below it can be done."""
    local, record = view.local.get(path), view.records.get(path)
    asked = view.remote is not None
    found = view.remote.get(path) if view.remote is not None else None
    expects = (*((record.remote,) if record else ()), *view.intents.get(path, ()))
    forced = path in view.take_local
    drifted = asked and found is not None and not any(found.matches(one) for one in expects)
    if local is None:
        return _gone(
            path,
            record,
            found if asked else (record.remote if record else None),
            drifted and not forced,
            plan,
            draft,
        )
    unchanged = record is not None and record.local.kind is local.kind and _agrees(local, record)
    if drifted and found is not None and not forced:
        return _meet(path, local, record, found, plan)
    if unchanged and record and (not asked or found is not None) and not forced:
        if record.local.mode != local.mode and local.kind is Kind.FILE:
            plan.reasons[path] = "mode changed"
            draft.puts.append(SetMeta(path, local.mode, local.mtime_ns, expects))
        elif record.local != local:
            plan.adopt[path] = Record(local, record.remote, record.digest, record.racy)
        return True
    plan.reasons[path] = _reason(record, found, asked, unchanged)
    _clear(path, local, record, found, expects, forced, draft)
    _create(path, local, expects, forced, draft, source_of, in_place)
    return True


def _agrees(local: Local, record: Record) -> bool:
    """Whether the local side still is what was agreed on (a mode alone is handled apart)."""
    known = record.local
    if local.kind is Kind.LINK:
        return local.target == known.target
    if local.kind is Kind.DIRECTORY:
        return True
    same = (local.size, local.mtime_ns, local.inode) == (known.size, known.mtime_ns, known.inode)
    return same and (local.ctime_ns == known.ctime_ns or local.mode != known.mode)


def _reason(record: Record | None, found: Entry | None, asked: bool, unchanged: bool) -> str:
    if record is None:
        return "new"
    return "missing on the host" if unchanged and asked and found is None else "changed"


def _gone(
    path: bytes, record: Record | None, found: Entry | None, drifted: bool, plan: Plan, draft: _Draft
) -> bool:
    if record is None:
        return True
    if found is None:
        plan.forget.append(path)
        return True
    if drifted:
        plan.conflicts.append(Conflict(path, "deleted here, changed on the host"))
        return False
    plan.reasons[path] = "deleted"
    if record.remote.kind is Kind.DIRECTORY:
        draft.emptied.append(RemoveDirectory(path))
    else:
        draft.removes.append(Remove(path, (record.remote,)))
    return True


def _meet(path: bytes, local: Local, record: Record | None, found: Entry, plan: Plan) -> bool:
    """Something stands there that the index does not explain: is it the same by chance?"""
    if local.kind is Kind.DIRECTORY and found.kind is Kind.DIRECTORY:
        plan.adopt[path] = Record(local, found)
        return True
    if local.kind is Kind.LINK and found.kind is Kind.LINK and local.target == found.target:
        plan.adopt[path] = Record(local, found)
        return True
    if local.kind is Kind.FILE and found.kind is Kind.FILE and local.size == found.size:
        plan.compare.append(path)
        return True
    why = "changed on the host" if record else "stands on the host already, with other content"
    if local.kind is not found.kind:
        why = f"is a {local.kind.name.lower()} here and a {found.kind.name.lower()} on the host"
    plan.conflicts.append(Conflict(path, why))
    return False


def _clear(
    path: bytes,
    local: Local,
    record: Record | None,
    found: Entry | None,
    expects: tuple[Entry, ...],
    forced: bool,
    draft: _Draft,
) -> None:
    """Make room where the kind of thing changes: a rename cannot turn a file into a folder."""
    standing = found.kind if found else record.remote.kind if record else None
    if standing is None or (standing is Kind.DIRECTORY) == (local.kind is Kind.DIRECTORY):
        return
    if standing is Kind.DIRECTORY:
        draft.emptied.append(RemoveDirectory(path))
    else:
        draft.clear.append(Remove(path, expects, forced))


def _create(
    path: bytes,
    local: Local,
    expects: tuple[Entry, ...],
    forced: bool,
    draft: _Draft,
    source_of: SourceOf,
    in_place: frozenset[bytes],
) -> None:
    if local.kind is Kind.DIRECTORY:
        draft.folders.append(MakeDirectory(path, local.mode))
    elif local.kind is Kind.LINK:
        draft.puts.append(PutLink(path, local.target, expects, forced))
    else:
        draft.puts.append(
            Put(
                path,
                source_of(path, local),
                local.size,
                local.mtime_ns,
                local.mode,
                expects,
                forced,
                path in in_place,
            )
        )


def _moves(view: View, plan: Plan, draft: _Draft, source_of: SourceOf) -> set[bytes]:
    """Renamed folders: gone here, and the same inode stands where the index knows nothing.

    Only whole folders whose files are all as they were are moved; everything else is put and removed. Files
    that were too young to be sure of are moved with the rest, and put once more.
    """
    by_inode = {
        record.local.inode: path
        for path, record in view.records.items()
        if record.local.kind is Kind.DIRECTORY and path not in view.local
    }
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
            draft.moves.append(Move(old, path))
            plan.reasons[path] = "renamed"
            done.update(pairs, pairs.values())
            for before, after in pairs.items():
                record = view.records[before]
                if record.racy:
                    _create(after, view.local[after], (record.remote,), False, draft, source_of, frozenset())
    return done


def parent_is_new(path: bytes, view: View) -> bool:
    """Whether the folder above does not exist on the host yet, so that nothing can be moved into it."""
    parent = path.rpartition(b"/")[0]
    return bool(parent) and parent not in view.records


def _same_below(old: bytes, new: bytes, view: View) -> Mapping[bytes, bytes]:
    """Old path -> new path of the folder and all below it, when nothing but the name changed; else empty."""
    prefix = old + b"/"
    pairs = {old: new}
    for path, record in view.records.items():
        if not path.startswith(prefix):
            continue
        moved = new + path[len(old) :]
        local = view.local.get(moved)
        if path in view.local or local is None or local.kind is not record.local.kind:
            return {}
        if not _agrees(local, record) or record.local.mode != local.mode:
            return {}
        pairs[path] = moved
    extra = sum(path.startswith(new + b"/") for path in view.local)
    return pairs if extra == len(pairs) - 1 else {}
