"""Real files as the user's: only our additions, once; taken back, the bytes are those of the start."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devbox.pycharm import records, render
from devbox.pycharm.merge import merge, take_back, wishes
from devbox.pycharm.records import Merge
from devbox.pycharm.render import Wanted
from devbox.pycharm.xml import Node, canonical, parse
from tests.pycharm import samples
from tests.pycharm.example import VARIATIONS

FACTS_BY_KIND = {"remote-mappings": "older", "docker-tools": "compose"}


@cache
def everything(facts: str) -> list[Wanted]:
    return [*render.project(VARIATIONS[facts]), *render.ide(VARIATIONS[facts])]


def wanted_for(name: str, data: bytes) -> list[Wanted]:
    """Everything of ours that could meet this file: the same kind, at the same level."""
    kind = samples.kind_of(name)
    root = parse(data).root.tag
    ours = everything(FACTS_BY_KIND.get(kind, "upload"))
    return [one for one in ours if one.kind.name == kind and one.root.tag == root]


def without(node: Node, paths: set[tuple[str, ...]], path: tuple[str, ...] = ()) -> str:
    """The meaning of a document without the elements and attributes at these paths."""
    from devbox.pycharm.kinds import identity

    children = tuple(
        parse(without(child, paths, (*path, identity(child))).encode()).root
        for child in node.children
        if (*path, identity(child)) not in paths
    )
    attributes = tuple(pair for pair in node.attributes if (*path, f"@{pair[0]}") not in paths)
    return canonical(Node(node.tag, attributes, children, node.text))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_all_samples_as_files_of_the_user(encoding: str, newline: str) -> None:
    met = 0
    for name, raw in samples.load().items():
        data = raw.decode().replace("\n", newline).encode(encoding)
        for wanted in wanted_for(name, data):
            met += 1
            state = merge(data, wanted.root, wanted.kind, {})
            once = state.document.to_bytes()
            assert without(parse(once).root, set(state.records)) == without(parse(data).root, set()), name
            again = merge(once, wanted.root, wanted.kind, state.records)
            assert again.document.to_bytes() == once, name
            assert again.records == state.records, name
            back = Merge(parse(once), dict(state.records))
            take_back(back, list(state.records.values()))
            assert back.document.to_bytes() == data, name
            assert back.kept == [], name
    assert met > 100


@settings(max_examples=10)
@given(st.lists(st.sampled_from(sorted(VARIATIONS)), min_size=2, max_size=6), st.sets(st.integers(0, 5)))
def test_whatever_was_wanted_in_between_taking_it_back_gives_the_start(
    wants: list[str], forced: set[int]
) -> None:
    for name, data in samples.load().items():
        kind, root = samples.kind_of(name), parse(data).root.tag
        state = Merge(parse(data))
        for at, want in enumerate(wants):
            met = [one for one in everything(want) if one.kind.name == kind and one.root.tag == root]
            if not met or met[0].kind.single:
                continue
            take = records.everything if at in forced else records.nothing
            state = merge(state.document.to_bytes(), met[0].root, met[0].kind, state.records, take)
        take_back(state, list(state.records.values()))
        assert (state.document.to_bytes(), state.records) == (data, {}), (name, wants)


def test_our_things_are_in_every_sample_of_a_shared_file() -> None:
    for name, data in samples.load().items():
        for wanted in wanted_for(name, data):
            if wanted.kind.single:
                assert merge(data, wanted.root, wanted.kind, {}).document.to_bytes() == data
                continue
            state = merge(data, wanted.root, wanted.kind, {})
            kept = {one.path for one in state.kept}
            for wish in wishes(wanted.root, wanted.kind):
                assert wish.node is None or wish.path in kept or state.at(wish.path), (name, wish.path)


def test_samples_that_we_do_not_write_are_only_read() -> None:
    unmet = {samples.kind_of(name) for name, data in samples.load().items() if not wanted_for(name, data)}
    assert unmet == {"remote-targets", "trusted-paths"}
