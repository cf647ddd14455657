"""The build context beside the real Docker CLI's, case by case."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from devbox.adapters.docker import tar
from devbox.errors import ConfigError, DevboxError
from devbox.image.context import local_context
from tests.image import corpus, recorder


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    corpus.plant(root)
    return root


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[recorder.Recorder, Path]]:
    with recorder.recording(tmp_path_factory.mktemp("cli")) as running:
        yield running


def ours(root: Path, dockerfile: str = "Dockerfile") -> bytes:
    context, _ = local_context(root, root / dockerfile)
    return b"".join(tar.stream(context))


@pytest.mark.parametrize("name", corpus.CASES)
def test_same_context_as_the_cli(name: str, tree: Path, cli: tuple[recorder.Recorder, Path]) -> None:
    rules = corpus.CASES[name]
    (tree / ".dockerignore").write_bytes(rules if isinstance(rules, bytes) else rules.encode())
    theirs = recorder.sent(*cli, tree)
    if isinstance(theirs, str):
        with pytest.raises(ConfigError, match="no pattern Docker understands"):
            ours(tree)
        assert "pattern" in theirs
    else:
        assert recorder.members(ours(tree)) == recorder.members(theirs)


def test_the_cli_refuses_what_we_refuse_and_takes_what_we_take(tree: Path) -> None:
    (tree / ".dockerignore").write_text("*.md\n[")
    with pytest.raises(ConfigError) as refused:
        ours(tree)
    assert str(tree / ".dockerignore") in str(refused.value)


def test_sockets_are_left_out_as_the_cli_does(tmp_path: Path, cli: tuple[recorder.Recorder, Path]) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "file").write_text("x")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        theirs = recorder.sent(*cli, tmp_path)
        assert isinstance(theirs, bytes)
        assert recorder.members(ours(tmp_path)) == recorder.members(theirs)
        assert "s" not in recorder.members(theirs)


def test_names_that_are_no_utf8(tmp_path: Path, cli: tuple[recorder.Recorder, Path]) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / os.fsdecode(b"caf\xe9")).write_text("x")
    (tmp_path / ("long" * 60)).write_text("y")
    theirs = recorder.sent(*cli, tmp_path)
    assert isinstance(theirs, bytes)
    assert recorder.members(ours(tmp_path)) == recorder.members(theirs)


def test_same_bytes_twice_whatever_the_order_on_disk(tmp_path: Path) -> None:
    for folder, names in (("one", ("b", "a", "c")), ("two", ("c", "b", "a"))):
        root = tmp_path / folder
        root.mkdir()
        for name in (*names, "Dockerfile"):
            (root / name).write_text(name)
            os.utime(root / name, (1_700_000_000, 1_700_000_000))
    assert ours(tmp_path / "one") == ours(tmp_path / "two")


def test_ignore_file_of_the_dockerfile_comes_first(tmp_path: Path) -> None:
    for name in ("Dockerfile.dev", "a", "b"):
        (tmp_path / name).write_text("x")
    (tmp_path / ".dockerignore").write_text("a")
    (tmp_path / "Dockerfile.dev.dockerignore").write_text("b")
    found = set(recorder.members(ours(tmp_path, "Dockerfile.dev")))
    assert "a" in found
    assert "b" not in found


def test_a_file_that_shrinks_while_it_is_sent_is_named(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "log").write_bytes(b"x" * 1000)
    context, _ = local_context(tmp_path, tmp_path / "Dockerfile")
    entries = context.entries()
    (tmp_path / "log").write_bytes(b"x")

    class Before:
        def entries(self) -> object:
            return entries

        open = context.open

    with pytest.raises(DevboxError, match="became shorter") as stated:
        list(tar.stream(Before()))  # type: ignore[arg-type]
    assert stated.value.where == "log"


def test_a_dockerfile_outside_the_context_travels_with_it(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/main.py").write_text("x")
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    context, name = local_context(tmp_path / "app", tmp_path / "Dockerfile")
    found = recorder.members(b"".join(tar.stream(context)))
    assert set(found) == {"main.py", name}
    assert found[name][4] == b"FROM scratch\n"
