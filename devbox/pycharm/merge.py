"""Bringing our elements into a file that may be the user's, and taking them out again.

Three ways are compared for each element and attribute of ours: what we want now, what we wrote last (the
record), and what the file holds. What the file holds wins wherever somebody else put it there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from devbox.pycharm import splice
from devbox.pycharm.kinds import Kind, identity
from devbox.pycharm.records import Kept, Merge, Path, Record, Take, nothing
from devbox.pycharm.splice import Form
from devbox.pycharm.xml import Node, canonical, parse, pretty


@dataclass(frozen=True, slots=True)
class Wish:
    """What we want at a path: an element (owned, or a container to descend into), or an attribute."""

    path: Path
    node: Node | None = None
    value: str = ""
    owned: bool = True


def wishes(root: Node, kind: Kind, path: Path = ()) -> Iterator[Wish]:
    """Our document as wishes, parents first."""
    for name, value in root.attributes:
        if (root.tag, name) in kind.attributes:
            yield Wish((*path, f"@{name}"), value=value)
    for child in root.children:
        below = (*path, identity(child))
        owned = child.tag in kind.owned
        yield Wish(below, child, owned=owned)
        if not owned:
            yield from wishes(child, kind, below)


def merge(
    existing: bytes | None, ours: Node, kind: Kind, last: Mapping[Path, Record], take: Take = nothing
) -> Merge:
    """The file with our elements in it. `Malformed` when it cannot be read; then it is not touched.

    `take` says for which paths ours is taken although somebody else put something there.
    """
    state = Merge(parse(existing if existing is not None else empty(ours, kind)))
    state.theirs = existing is not None
    if state.document.root.tag != ours.tag:
        state.refused = f"is a <{state.document.root.tag}>, not a <{ours.tag}>"
        return state
    if kind.single and _somebody_elses(state.document.root, ours):
        state.refused = "holds a configuration of yours"
        return state
    wanted = list(wishes(ours, kind))
    base = last if existing is not None else {}
    gone = [record for path, record in base.items() if path not in {wish.path for wish in wanted}]
    state.records.update(base)
    take_back(state, gone)
    for wish in wanted:
        _bring(state, wish, kind, take)
    return state


def empty(ours: Node, kind: Kind) -> bytes:
    """A new file of that kind with nothing in it yet."""
    return (kind.header + pretty(Node(ours.tag, ours.attributes))).encode()


def _somebody_elses(root: Node, ours: Node) -> bool:
    own = {identity(child) for child in ours.children}
    return any(identity(child) not in own for child in root.children)


def _bring(state: Merge, wish: Wish, kind: Kind, take: Take) -> None:
    if wish.node is None:
        _bring_attribute(state, wish, take)
    elif state.at(wish.path[:-1]) is None:
        return  # its container is not ours to make
    elif wish.owned:
        _bring_element(state, wish, take)
    elif state.at(wish.path) is None and not (wish.node.tag in kind.only_new and state.theirs):
        bare = tuple(pair for pair in wish.node.attributes if (wish.node.tag, pair[0]) not in kind.attributes)
        _insert(state, wish.path, Node(wish.node.tag, bare), "")


def _insert(state: Merge, path: Path, node: Node, wrote: str) -> None:
    state.document, form = splice.insert(state.document, state.must(path[:-1]), node)
    state.records[path] = Record(path, wrote, form=form)


def _bring_element(state: Merge, wish: Wish, take: Take) -> None:
    assert wish.node is not None
    want, there, record = canonical(wish.node), state.at(wish.path), state.records.get(wish.path)
    if there is None:
        if record is not None and not take(wish.path):
            old = record.wrote == want
            state.kept.append(Kept(wish.path, "was taken out since; left out", want=want, settled=old))
            return
        _insert(state, wish.path, wish.node, want)
        return
    holds = canonical(there)
    if holds == want:
        if record is not None:
            state.records[wish.path] = Record(wish.path, want, record.was, record.form)
        return
    ours = record is not None and holds == record.wrote
    if not ours and not take(wish.path):
        why = "was there already" if record is None else "was edited since"
        state.kept.append(Kept(wish.path, why, holds, want, record is not None and record.wrote == want))
        return
    was = record.was if record else state.document.body[there.start : there.end].decode()
    state.document = splice.replace(state.document, there, wish.node)
    state.records[wish.path] = Record(wish.path, want, was, record.form if record else None)


def _bring_attribute(state: Merge, wish: Wish, take: Take) -> None:
    node, name = state.at(wish.path[:-1]), wish.path[-1][1:]
    if node is None:
        return
    holds, record = node.get(name), state.records.get(wish.path)
    if holds == wish.value:
        return
    ours = record is not None and holds == record.wrote
    if holds is not None and not ours and not take(wish.path):
        why = f"stays {holds!r} (devbox would say {wish.value!r})"
        settled = record is not None and record.wrote == wish.value
        state.kept.append(Kept(wish.path, why, holds, wish.value, settled))
        return
    was = record.was if record else holds
    state.document = splice.set_attribute(state.document, node, name, wish.value)
    state.records[wish.path] = Record(wish.path, wish.value, was)


def take_back(state: Merge, records: list[Record]) -> None:
    """Remove what the records say is ours, deepest and last first; what was edited stays and is named."""
    ordered = sorted(enumerate(records), key=lambda item: (len(item[1].path), item[0]), reverse=True)
    for _, record in ordered:
        state.records.pop(record.path, None)
        if record.attribute:
            _take_back_attribute(state, record)
        else:
            _take_back_element(state, record)


def _take_back_attribute(state: Merge, record: Record) -> None:
    node = state.at(record.path[:-1])
    if node is None or node.get(record.attribute) is None:
        return
    if node.get(record.attribute) != record.wrote:
        state.kept.append(Kept(record.path, "was edited since; left as it is"))
        return
    state.document = splice.set_attribute(state.document, node, record.attribute, record.was)


def _take_back_element(state: Merge, record: Record) -> None:
    node = state.at(record.path)
    if node is None:
        return
    if record.wrote == "" and node.children:
        return  # a container that others use by now
    if record.wrote and canonical(node) != record.wrote:
        state.kept.append(Kept(record.path, "was edited since; left as it is"))
        return
    if record.was is not None:
        state.document = splice.restore(state.document, node, record.was)
        return
    parent = state.must(record.path[:-1])
    state.document = splice.remove(state.document, parent, node, record.form)
    if record.form and len(parent.children) > 1:
        _bequeath(state, record.path[:-1], record.form)


def _bequeath(state: Merge, parent: Path, form: Form) -> None:
    """Let another element of ours remember how their parent was written."""
    for path, record in state.records.items():
        if path[:-1] == parent and not record.attribute:
            state.records[path] = replace(record, form=form)
            return
