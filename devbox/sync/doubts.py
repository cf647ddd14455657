"""Where a stat leaves a doubt, the bytes decide."""

from __future__ import annotations

from dataclasses import dataclass, replace

from devbox.ports.tree import Kind, Tree
from devbox.sync.index import Index
from devbox.sync.model import Conflict, Local, Plan, Record, View
from devbox.sync.place import Place

_YOUNG_NS = 50_000_000
"""Clock ticks of file systems are up to 10 ms apart: a file younger than this can change unseen."""

THERE_ALREADY = "stands on the host already, with other content"
CHANGED_THERE = "changed on the host"


@dataclass(frozen=True, slots=True)
class Doubts:
    """The doubts of one round, which began to look at `started_ns`."""

    place: Place
    index: Index
    started_ns: int

    def young(self, local: Local) -> bool:
        """Whether a later change may have left this stat as it is."""
        return local.kind is Kind.FILE and self.started_ns - local.mtime_ns < _YOUNG_NS

    def told_apart(self, view: View) -> View:
        """Before the plan: files that may or may not be what was agreed on."""
        records = dict(view.records)
        for path, record in view.records.items():
            local = view.local.get(path)
            if local is None or not _in_doubt(local, record):
                continue
            digest = self.place.source(path, local).digest()
            if digest == record.digest:
                known = local._replace(mode=record.local.mode)
                records[path] = Record(known, record.remote, digest, self.young(local))
                self.index.agree(path, records[path], settled=False)
            else:
                records[path] = record._replace(local=record.local._replace(mtime_ns=-1))
        return replace(view, records=records)

    def compare(self, tree: Tree, view: View, plan: Plan) -> None:
        """Adopt what is equal on both sides; what differs is a conflict, what is being written is unsure."""
        if not plan.compare or view.remote is None:
            return
        there = tree.digests(plan.compare)
        for path in plan.compare:
            local, entry = view.local[path], view.remote[path]
            digest = self.place.source(path, local).digest()
            if not digest:
                plan.unsure.append(path)
            elif there.get(path) == digest:
                agreed = local._replace(mode=self.place.modes.agreed(entry.mode))
                plan.adopt[path] = Record(agreed, entry, digest, racy=True)
                if agreed.mode != local.mode:
                    plan.unsure.append(path)
            else:
                plan.conflicts.append(
                    Conflict(path, CHANGED_THERE if path in view.records else THERE_ALREADY)
                )


def _in_doubt(local: Local, record: Record) -> bool:
    """Same size and not surely the same: touched, replaced by an equal file, or too young when read."""
    if local.kind is not Kind.FILE or record.local.kind is not Kind.FILE or not record.digest:
        return False
    return local.size == record.local.size and (record.racy or local != record.local)
