"""Folders in which everything is in step are known again by a mark on each side, and passed over.

A mark is a digest of all that is directly in a folder: names, sizes, times, modes, here also inodes. While
both marks stand, nothing in the folder can have changed on either side: none of it has to be compared.
Folders with anything doubtful in them have no marks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from devbox.ports.tree import Entry, Kind, Tree
from devbox.sync.model import Local, Plan, Record, View, parent_of


@dataclass(frozen=True, slots=True)
class Marks:
    """Both marks of a folder."""

    here: bytes
    there: bytes


def learned(view: View, plan: Plan, agreed: Mapping[bytes, Record], tree: Tree) -> dict[bytes, Marks]:
    """The marks of the folders that a round over the whole tree found or brought in step."""
    if view.remote is None or not tree.mark({}):
        return {}
    there = {**view.remote, **{path: record.remote for path, record in agreed.items()}}
    members: dict[bytes, dict[bytes, Entry]] = {folder: {} for folder in view.marks}
    for path, entry in there.items():
        folder, _, name = path.rpartition(b"/")
        if folder in members:
            members[folder][name] = entry
    spoiled = _spoiled(view, plan, agreed)
    return {
        folder: Marks(view.marks[folder], tree.mark(seen))
        for folder, seen in members.items()
        if folder not in spoiled
    }


def _spoiled(view: View, plan: Plan, agreed: Mapping[bytes, Record]) -> set[bytes]:
    """The folders with anything in them that is not surely in step."""
    records = {**view.records, **plan.adopt, **agreed}
    paths = {one.path for one in plan.operations} - agreed.keys()
    paths.update(plan.compare, plan.unsure, plan.forget, (one.path for one in plan.conflicts))
    paths.update(path for path in view.records if path not in view.local)
    paths.update(path for path, local in view.local.items() if not _settled(local, records.get(path)))
    return {parent_of(path) for path in paths}


def _settled(local: Local, record: Record | None) -> bool:
    if record is None or record.racy:
        return False
    return local == record.local or local.kind is record.local.kind is Kind.DIRECTORY
