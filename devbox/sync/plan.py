"""The plan: a pure diff of the local tree, the index, and (when it was looked at) the remote tree."""

from __future__ import annotations

from collections.abc import Callable
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
from devbox.sync import renames
from devbox.sync.model import Conflict, Local, Plan, Record, View, above
from devbox.sync.renames import agrees

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
    moved = _rename(view, plan, draft, source_of)
    blocked: set[bytes] = set()
    paths = {*view.local, *view.records, *(view.intents if view.remote is not None else ())}
    for path in sorted(paths - moved):
        if blocked and any(one in blocked for one in above(path)):
            continue
        if not _decide(_case(path, view), plan, draft, source_of, in_place):
            blocked.add(path)
    plan.waves = _waves(view, draft)
    return plan


def _waves(view: View, draft: _Draft) -> list[list[Operation]]:
    """Deletes come last, so that nothing is missing meanwhile, but for those that make room."""
    draft.emptied.sort(key=lambda operation: operation.path, reverse=True)
    room = {path for path, local in view.local.items() if local.kind is not Kind.DIRECTORY}

    def in_the_way(operation: Operation) -> bool:
        return operation.path in room or any(one in room for one in above(operation.path))

    clear = draft.clear + [one for one in draft.removes if in_the_way(one)]
    clear_folders = [one for one in draft.emptied if in_the_way(one)]
    removes = [one for one in draft.removes if not in_the_way(one)]
    emptied = [one for one in draft.emptied if not in_the_way(one)]
    waves = [draft.moves, clear, clear_folders, draft.folders, draft.puts, removes, emptied]
    return [wave for wave in waves if wave]


def deletes(view: View, plan: Plan) -> int:
    """How many files of the index the plan deletes."""
    return sum(isinstance(one, Remove) and one.path in view.records for one in plan.operations)


def too_many_deletes(count: int, before: int, known: int, nothing_else: bool) -> bool:
    """Whether so much goes of what the index knows that a person should say yes to it.

    `before`: files that were deleted a moment ago; `known`: files that are in the index still. Nothing left
    at all, and `nothing_else` done, is too many however few there were: an emptied or unmounted folder.
    """
    if count + before >= MANY_DELETES and (count + before) * 2 > known + before:
        return True
    return nothing_else and count >= known


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


@dataclass(slots=True)
class _Case:
    """One path: what is here, what was agreed on, what was found there (`None` as well when nobody asked)."""

    path: bytes
    local: Local | None
    record: Record | None
    found: Entry | None
    asked: bool
    expects: tuple[Entry, ...]
    forced: bool

    @property
    def drifted(self) -> bool:
        """Something stands there that neither the index nor the journal explains."""
        found = self.found
        return not self.forced and found is not None and not any(found.matches(one) for one in self.expects)

    @property
    def unchanged(self) -> bool:
        """Both sides surely have what was agreed on (but perhaps for the mode)."""
        local, record = self.local, self.record
        if local is None or record is None or self.forced or record.local.kind is not local.kind:
            return False
        if self.asked and (self.found is None or not self.found.matches(record.remote)):
            return False
        if not self.asked and len(self.expects) > 1:  # an interrupted session may have put something there
            return False
        return agrees(local, record)


def _case(path: bytes, view: View) -> _Case:
    record = view.records.get(path)
    found = view.remote.get(path) if view.remote is not None else None
    expects = (*((record.remote,) if record else ()), *view.intents.get(path, ()))
    asked, forced = view.remote is not None, path in view.take_local
    return _Case(path, view.local.get(path), record, found, asked, expects, forced)


def _decide(case: _Case, plan: Plan, draft: _Draft, source_of: SourceOf, in_place: frozenset[bytes]) -> bool:
    """One path. False when a conflict stands there, so that nothing below it can be done."""
    local, record, path = case.local, case.record, case.path
    if local is None:
        return _gone(case, plan, draft)
    if case.drifted and case.found is not None:
        return _meet(path, local, record, case.found, plan)
    if record and case.unchanged:
        if record.local.mode != local.mode and local.kind is Kind.FILE:
            plan.reasons[path] = "mode changed"
            draft.puts.append(SetMeta(path, local.mode, local.mtime_ns, case.expects))
        elif record.local != local:
            plan.adopt[path] = Record(local, record.remote, record.digest, record.racy)
        return True
    missing = record is not None and case.asked and case.found is None and agrees(local, record)
    plan.reasons[path] = "new" if record is None else "missing on the host" if missing else "changed"
    _clear(case, local, draft)
    _create(path, local, case.expects, case.forced, draft, source_of, in_place)
    return True


def _gone(case: _Case, plan: Plan, draft: _Draft) -> bool:
    """Nothing is here: remove what we put there, forget what went by itself, keep what others changed."""
    path, record, found = case.path, case.record, case.found
    if case.asked and found is None:
        plan.forget.append(path)
        return True
    if case.drifted:
        if record:
            plan.conflicts.append(Conflict(path, "deleted here, changed on the host"))
        return record is None
    kind = found.kind if found else record.remote.kind if record else None
    if kind is Kind.DIRECTORY:
        draft.emptied.append(RemoveDirectory(path))
    elif kind is not None:
        draft.removes.append(Remove(path, case.expects))
    plan.reasons[path] = "deleted" if record else "left by an interrupted run"
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


def _clear(case: _Case, local: Local, draft: _Draft) -> None:
    """Make room where the kind of thing changes: a rename cannot turn a file into a folder."""
    standing = case.found.kind if case.found else case.record.remote.kind if case.record else None
    if standing is None or (standing is Kind.DIRECTORY) == (local.kind is Kind.DIRECTORY):
        return
    if standing is Kind.DIRECTORY:
        draft.emptied.append(RemoveDirectory(case.path))
    else:
        draft.clear.append(Remove(case.path, case.expects, case.forced))


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
        meta = (local.size, local.mtime_ns, local.mode)
        draft.puts.append(Put(path, source_of(path, local), *meta, expects, forced, path in in_place))


def _rename(view: View, plan: Plan, draft: _Draft, source_of: SourceOf) -> set[bytes]:
    """Plan the renamed folders; all paths that are done with by that.

    Files that were too young to be sure of are moved with the rest, and put once more.
    """
    done: set[bytes] = set()
    for rename in renames.found(view):
        draft.moves.append(Move(rename.old, rename.new))
        plan.reasons[rename.old] = "renamed"
        done.update(rename.pairs, rename.pairs.values())
        for before, after in rename.pairs.items():
            record = view.records[before]
            if record.racy:
                _create(after, view.local[after], (record.remote,), False, draft, source_of, frozenset())
    return done
