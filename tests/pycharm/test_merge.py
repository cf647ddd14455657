"""Merging: what is somebody else's survives byte for byte, whatever it is."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devbox.pycharm import render
from devbox.pycharm.merge import merge, take_back
from devbox.pycharm.records import Merge
from devbox.pycharm.records import everything as everything_ours
from devbox.pycharm.render import Wanted
from devbox.pycharm.xml import Malformed, Node, canonical, parse, pretty
from tests.pycharm.example import FACTS, VARIATIONS

NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=20)
TAGS = st.sampled_from(["option", "setting", "list", "entry", "custom-thing"])
SEPARATORS = st.sampled_from(
    ["", "\n", "\n    ", "\r\n  ", " <!-- a comment > with <odd> things -->\n", "\t"]
)


def _foreign(tag: str, name: str, inner: str) -> str:
    text = pretty(Node(tag, (("name", f"foreign {name}"),)))
    return text.replace(" />", f">{inner}</{tag}>") if inner else text


foreign_jdks = st.lists(
    st.builds(
        lambda name, version, extra: (
            f'<jdk version="{version}"><name value={pretty(Node("a", (("v", "x " + name),)))[5:-3].strip()}/>'
            f"<homePath value='/usr/bin/{version}'/>{extra}</jdk>"
        ),
        NAMES,
        st.integers(1, 3),
        st.builds(_foreign, TAGS, NAMES, st.sampled_from(["", "text &amp; more", "<deep/>"])),
    ),
    max_size=6,
)


@cache
def everything(facts: str) -> list[Wanted]:
    return [*render.project(VARIATIONS[facts]), *render.ide(VARIATIONS[facts])]


def wanted(path: str, facts: str = "docker") -> Wanted:
    return next(one for one in everything(facts) if one.path == path)


def taken_back(data: bytes, state: Merge) -> bytes:
    back = Merge(parse(data), dict(state.records))
    take_back(back, list(state.records.values()))
    return back.document.to_bytes()


@settings(max_examples=150, deadline=None)
@given(foreign_jdks, st.lists(SEPARATORS, min_size=8, max_size=8), st.sampled_from(["utf-8", "utf-16"]))
def test_foreign_interpreters_survive_unchanged_and_in_order(
    jdks: list[str], separators: list[str], encoding: str
) -> None:
    body = "".join(separator + jdk for separator, jdk in zip(separators, jdks, strict=False))
    data = (
        f"<application>{separators[6]}<component name='ProjectJdkTable'>{body}{separators[7]}</component>"
        "<component name='Other'/></application>\n"
    ).encode(encoding)
    ours = wanted("options/jdk.table.xml")
    state = merge(data, ours.root, ours.kind, {})
    assert body in state.document.body.decode()
    table = state.document.root.children[0]
    before = [canonical(node) for node in parse(data).root.children[0].children]
    assert [canonical(node) for node in table.children][: len(before)] == before
    assert len(table.children) == len(before) + 2
    assert taken_back(state.document.to_bytes(), state) == data


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(TAGS, NAMES, st.sampled_from(["", "<deep/>"])), max_size=5), SEPARATORS)
def test_foreign_components_survive_in_every_kind_of_file(
    things: list[tuple[str, str, str]], separator: str
) -> None:
    for ours in everything("docker"):
        if ours.kind.single:
            continue
        inner = "".join(separator + _foreign(*thing) for thing in things)
        opened = pretty(Node(ours.root.tag, ours.root.attributes))[:-3]
        data = f"{opened}><component name='Mine'>{inner}</component>{separator}</{ours.root.tag}>".encode()
        state = merge(data, ours.root, ours.kind, {})
        assert f"<component name='Mine'>{inner}</component>" in state.document.body.decode()
        again = merge(state.document.to_bytes(), ours.root, ours.kind, state.records)
        assert again.document.to_bytes() == state.document.to_bytes()
        assert taken_back(state.document.to_bytes(), state) == data


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_whatever_the_bytes_a_file_is_merged_or_refused(data: bytes) -> None:
    ours = wanted(".idea/deployment.xml")
    try:
        state = merge(data, ours.root, ours.kind, {})
    except Malformed:
        return
    assert taken_back(state.document.to_bytes(), state) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not xml",
        b"<project>",
        b"<project></projekt>",
        b"<<<<<<< HEAD\n<project />\n=======\n",
        b"<!DOCTYPE project [<!ENTITY a 'b'>]><project>&a;</project>",
        "<project name='ä' />".encode("latin-1"),
        b"\xff\xfe<\x00",
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes) -> None:
    ours = wanted(".idea/deployment.xml")
    with pytest.raises(Malformed):
        merge(data, ours.root, ours.kind, {})


def _written(facts: str = "docker", path: str = ".idea/deployment.xml") -> tuple[Wanted, Merge]:
    ours = wanted(path, facts)
    return ours, merge(None, ours.root, ours.kind, {})


def test_a_new_file_is_in_the_ides_form() -> None:
    ours, state = _written()
    text = state.document.to_bytes().decode()
    assert text == '<?xml version="1.0" encoding="UTF-8"?>\n' + pretty(ours.root)


def test_upload_is_turned_on_and_off_again() -> None:
    _, off = _written()
    on = wanted(".idea/deployment.xml", "upload")
    turned_on = merge(off.document.to_bytes(), on.root, on.kind, off.records)
    assert b'autoUpload="Always"' in turned_on.document.body
    assert b'name="myAutoUpload" value="ALWAYS"' in turned_on.document.body
    ours = wanted(".idea/deployment.xml")
    turned_off = merge(turned_on.document.to_bytes(), ours.root, ours.kind, turned_on.records)
    assert turned_off.document.to_bytes() == off.document.to_bytes()


def test_what_the_user_edited_in_ours_is_kept_until_forced() -> None:
    ours, state = _written()
    edited = state.document.to_bytes().replace(b"/home/dev/devbox/shop", b"/srv/mine")
    same = merge(edited, ours.root, ours.kind, state.records)
    assert same.document.to_bytes() == edited
    assert [one.settled for one in same.kept] == [True]  # nothing new to decide
    moved = replace(FACTS, folders=(replace(FACTS.folders[0], remote="/home/dev/elsewhere"),))
    now = next(one for one in render.project(moved) if one.path == ours.path)
    kept = merge(edited, now.root, now.kind, same.records)
    assert kept.document.to_bytes() == edited
    assert [str(one) for one in kept.kept] == ["paths[shop@10.0.0.200] was edited since"]
    assert not kept.kept[0].settled
    assert ("/srv/mine" in kept.kept[0].holds, "/home/dev/elsewhere" in kept.kept[0].want) == (True, True)
    forced = merge(edited, now.root, now.kind, kept.records, everything_ours)
    assert b"/home/dev/elsewhere" in forced.document.body


def test_what_the_user_took_out_stays_out_until_forced() -> None:
    ours, state = _written(path="options/jdk.table.xml")
    jdk = state.document.root.children[0].children[0]
    without = state.document.body[: jdk.start] + state.document.body[jdk.end :]
    kept = merge(without, ours.root, ours.kind, state.records)
    assert kept.document.body == without
    assert [one.settled for one in kept.kept] == [True]
    forced = merge(without, ours.root, ours.kind, state.records, everything_ours)
    assert len(forced.document.root.children[0].children) == 2


def test_an_interpreter_of_the_user_stays_and_is_named() -> None:
    data = (
        b'<project version="4">\n  <component name="ProjectRootManager" version="2" '
        b'project-jdk-name="Python 3.11" project-jdk-type="Python SDK" />\n</project>'
    )
    ours = wanted(".idea/misc.xml")
    state = merge(data, ours.root, ours.kind, {})
    assert state.document.to_bytes() == data
    assert "stays 'Python 3.11'" in str(state.kept[0])
    forced = merge(data, ours.root, ours.kind, {}, everything_ours)
    assert b"Docker (shop-dev:latest) (shop@10.0.0.200)" in forced.document.body
    assert taken_back(forced.document.to_bytes(), forced) == data


def test_what_others_put_into_our_containers_keeps_them_alive() -> None:
    _, state = _written(path=".idea/sshConfigs.xml")
    data = state.document.to_bytes().replace(b"</configs>", b'<sshConfig id="mine" /></configs>')
    left = taken_back(data, state)
    assert [node.tag for node in parse(left).root.walk()] == ["project", "component", "configs", "sshConfig"]


def test_an_edited_element_is_not_taken_back() -> None:
    _, state = _written(path="options/remote-servers.xml")
    data = state.document.to_bytes().replace(b":2376", b":12376")
    back = Merge(parse(data), dict(state.records))
    take_back(back, list(state.records.values()))
    assert b":12376" in back.document.body
    assert len(back.kept) == 1


def test_order_and_white_space_of_attributes_are_not_an_edit() -> None:
    ours, state = _written(path=".idea/sshConfigs.xml")
    shuffled = state.document.to_bytes().replace(
        b'<sshConfig host="10.0.0.200"', b'<sshConfig\n   host="10.0.0.200"'
    )
    again = merge(shuffled, ours.root, ours.kind, state.records)
    assert again.document.to_bytes() == shuffled
    assert again.kept == []


def test_a_django_project_is_made_known_once_and_stays_as_the_user_has_it() -> None:
    ours, state = _written(path=".idea/shop.iml")
    options = {node.get("name"): node.get("value") for node in state.document.root.walk()}
    assert (options["rootFolder"], options["settingsModule"], options["manageScript"]) == (
        "$MODULE_DIR$/site",
        "shop/settings.py",
        "$MODULE_DIR$/site/manage.py",
    )
    own = '<facet type="django" name="Django"><configuration /></facet>'
    data = (
        f'<module type="PYTHON_MODULE" version="4"><component name="FacetManager">{own}</component></module>'
    )
    kept = merge(data.encode(), ours.root, ours.kind, {})
    assert own in kept.document.body.decode()
    assert kept.document.body.count(b"<facet") == 1
    assert "facet[django] was there already" in [str(one) for one in kept.kept]


def test_a_module_with_its_own_roots_gets_no_second_one() -> None:
    content = '<content url="file://$MODULE_DIR$/src" />'
    entry = '<orderEntry type="inheritedJdk" />'
    data = (
        f'<module type="PYTHON_MODULE" version="4"><component name="NewModuleRootManager">{content}{entry}'
        "</component></module>"
    ).encode()
    ours = wanted(".idea/shop.iml")
    state = merge(data, ours.root, ours.kind, {})
    manager = state.document.root.children[0]
    assert [node.get("url") for node in manager.children if node.tag == "content"] == [
        "file://$MODULE_DIR$/src"
    ]
    assert [node.get("type") for node in manager.children if node.tag == "orderEntry"] == [
        "inheritedJdk",
        "sourceFolder",
    ]
    assert taken_back(state.document.to_bytes(), state) == data
