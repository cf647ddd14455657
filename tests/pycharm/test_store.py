"""Files on disk: whole or not at all, modes and links kept, and a memory that knows what is ours."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from devbox.errors import DevboxError
from devbox.pycharm import render, store
from devbox.pycharm.memory import Memory
from devbox.pycharm.model import Python
from tests.pycharm.example import FACTS, VARIATIONS

WANTED = render.project(FACTS)
DEPLOYMENT = ".idea/deployment.xml"


def write_all(folder: Path, memory: Memory) -> None:
    changes = store.plan(folder, WANTED, memory.of(folder))
    for change in changes:
        store.apply(change)
    memory.note(folder, changes)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def test_the_memory_survives_and_takes_everything_back(tmp_path: Path) -> None:
    folder, path = tmp_path / "project", tmp_path / "state" / "memory.json"
    folder.mkdir()
    write_all(folder, Memory.load(path))
    memory = Memory.load(path)
    changes = store.plan(folder, WANTED, memory.of(folder))
    assert {change.verb for change in changes} == {"unchanged"}
    removal = store.plan_removal(folder, memory.of(folder))
    for change in removal:
        store.apply(change)
    memory.note(folder, removal)
    assert list(folder.iterdir()) == []
    assert Memory.load(path).places == {}


@pytest.mark.parametrize("text", ["", "{", '{"format": 99}', "[]"])
def test_a_memory_that_cannot_be_read_is_empty(tmp_path: Path, text: str) -> None:
    path = tmp_path / "memory.json"
    path.write_text(text)
    assert Memory.load(path).places == {}


def test_without_the_memory_equal_files_stay_and_different_ones_are_kept(tmp_path: Path) -> None:
    write_all(tmp_path, Memory(tmp_path / "one.json"))
    path = tmp_path / DEPLOYMENT
    path.write_bytes(path.read_bytes().replace(b"/home/dev", b"/home/other"))
    changes = {one.name: one for one in store.plan(tmp_path, WANTED, {})}
    assert {change.verb for change in changes.values()} == {"unchanged"}
    assert [str(one) for one in changes[DEPLOYMENT].kept] == ["paths[shop@10.0.0.200] was there already"]


def test_a_file_that_changes_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    change = next(one for one in store.plan(tmp_path, WANTED, {}) if one.name == DEPLOYMENT)
    change.path.parent.mkdir()
    change.path.write_text("<project />")
    with pytest.raises(DevboxError, match="changed while it was being merged"):
        store.apply(change)
    assert change.path.read_text() == "<project />"


def test_modes_and_links_are_kept(tmp_path: Path) -> None:
    real = tmp_path / "elsewhere.xml"
    real.write_text('<project version="4" />')
    real.chmod(0o640)
    (tmp_path / ".idea").mkdir()
    (tmp_path / DEPLOYMENT).symlink_to(real)
    write_all(tmp_path, Memory(tmp_path / "memory.json"))
    assert (tmp_path / DEPLOYMENT).is_symlink()
    assert b"PublishConfigData" in real.read_bytes()
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_new_file_has_the_usual_mode(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_all(tmp_path, Memory(tmp_path / "memory.json"))
    finally:
        os.umask(before)
    assert (tmp_path / DEPLOYMENT).stat().st_mode & 0o777 == 0o640


def test_what_nobody_wants_any_more_is_taken_back(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "memory.json")
    write_all(tmp_path, memory)
    fewer = [one for one in WANTED if "service" not in one.path]
    changes = store.plan(tmp_path, fewer, memory.of(tmp_path))
    assert {one.name for one in changes if one.verb == "removed"} == {
        one.path for one in WANTED if "service" in one.path
    }


def test_a_deleted_file_stays_deleted_until_forced_and_a_deleted_folder_comes_back(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "memory.json")
    write_all(tmp_path, memory)
    first = contents(tmp_path / ".idea")
    (tmp_path / DEPLOYMENT).unlink()
    write_all(tmp_path, memory)
    assert not (tmp_path / DEPLOYMENT).exists()
    for change in store.plan(tmp_path, WANTED, memory.of(tmp_path), store.always):
        store.apply(change)
    assert contents(tmp_path / ".idea") == first
    for path in (tmp_path / ".idea").iterdir():
        path.unlink()
    write_all(tmp_path, memory)
    assert contents(tmp_path / ".idea") == first


def test_an_unwritable_folder_is_a_stated_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DevboxError, match="cannot be written"):
        store.write(tmp_path / "file" / "below.xml", b"x")


def test_what_was_declined_once_is_not_asked_again_until_devbox_wants_something_else(tmp_path: Path) -> None:
    folder, path = tmp_path / "project", tmp_path / "memory.json"
    (folder / ".idea").mkdir(parents=True)
    own = '<component name="ProjectRootManager" project-jdk-name="Python 3.11" />'
    (folder / ".idea/misc.xml").write_text(f'<project version="4">{own}</project>')
    memory = Memory.load(path)
    first = store.plan(folder, WANTED, {})
    assert [one.settled for change in first for one in change.kept] == [False]
    for change in first:
        store.apply(change)
    memory.note(folder, [store.decline(change) for change in first])
    again = store.plan(folder, WANTED, Memory.load(path).of(folder))
    assert [one.settled for change in again for one in change.kept] == [True]
    other = render.project(replace(FACTS, container_python=Python("/usr/bin/python3", "3.13.0")))
    news = store.plan(folder, other, Memory.load(path).of(folder))
    assert [str(one) for change in news for one in change.kept if not one.settled] == [
        "project-jdk-name stays 'Python 3.11' (devbox would say "
        "'Remote Python 3.13.0 Docker (shop-dev:latest) (shop@10.0.0.200)')"
    ]
    taken = store.plan(folder, WANTED, {}, lambda name, place: place[-1] == "@project-jdk-name")
    misc = next(change for change in taken if change.name == ".idea/misc.xml")
    assert misc.after is not None
    assert FACTS.sdk.encode() in misc.after


IGNORED = ".idea/.gitignore"


def after_plain(folder: Path, memory: Memory) -> bytes | None:
    """What is in the plain file after one more run."""
    changes = store.plan(folder, render.plain(), memory.of(folder))
    for change in changes:
        store.apply(change)
    memory.note(folder, changes)
    path = folder / IGNORED
    return path.read_bytes() if path.exists() else None


def test_a_plain_file_is_written_once_and_the_users_is_left_alone(tmp_path: Path) -> None:
    folder, memory = tmp_path / "project", Memory(tmp_path / "memory.json")
    folder.mkdir()
    written = after_plain(folder, memory)
    assert written is not None
    assert b"/workspace.xml" in written
    assert after_plain(folder, memory) == written
    removal = store.plan_removal(folder, memory.of(folder))
    assert [one.verb for one in removal] == ["removed"]
    (folder / IGNORED).write_bytes(b"mine\n")
    assert after_plain(folder, memory) == b"mine\n"
    assert memory.of(folder) == {}
    assert store.plan_removal(folder, memory.of(folder)) == []


def test_a_plain_file_that_was_changed_meanwhile_is_not_removed(tmp_path: Path) -> None:
    folder, memory = tmp_path / "project", Memory(tmp_path / "memory.json")
    folder.mkdir()
    after_plain(folder, memory)
    (folder / IGNORED).write_bytes(b"more\n")
    assert [one.verb for one in store.plan_removal(folder, memory.of(folder))] == ["unchanged"]


@pytest.mark.parametrize(("version", "name"), [((2022, 3), "docker.xml"), ((2024, 1), "docker-tools.xml")])
def test_where_compose_is_stands_in_the_file_of_that_version(version: tuple[int, int], name: str) -> None:
    written = render.ide(replace(VARIATIONS["compose"], version=version))
    assert [one.path for one in written if "docker" in one.path] == [f"options/{name}"]


def test_two_projects_share_an_ide_and_each_takes_back_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "ide"
    names = ("shop", "other")
    for name in names:
        memory = Memory.load(tmp_path / f"{name}.json")
        changes = store.plan(folder, render.ide(replace(FACTS, project=name)), memory.of(folder))
        assert [one for change in changes for one in change.kept] == []
        for change in changes:
            store.apply(change)
        memory.note(folder, changes)
    for name, other in (names, names[::-1]):
        memory = Memory.load(tmp_path / f"{name}.json")
        for change in store.plan_removal(folder, memory.of(folder)):
            assert change.kept == ()
            store.apply(change)
        left = b"".join(contents(folder).values())
        assert f"{name}@10.0.0.200".encode() not in left
        assert (f"{other}@10.0.0.200".encode() in left) is (name == "shop")
