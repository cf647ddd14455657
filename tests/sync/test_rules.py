"""Our ignore rules beside the real `git check-ignore`, on generated trees."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from devbox.sync.ignore import Ignore, environment_rules, of_tree
from devbox.sync.scan import Found, scan

_NAMES = [
    "a",
    "b",
    "foo",
    "bar",
    "build",
    "x.py",
    "y.pyc",
    "a b",
    "#c",
    "!d",
    "[e]",
    "Foo",
    "é",
    "-x",
    "a\\b",
    "tail ",
]
_PIECES = [
    "a",
    "b",
    "foo",
    "bar",
    "build",
    "*",
    "**",
    "?",
    "*.py",
    "*.pyc",
    "[ab]",
    "[!a]",
    "[a-f]*",
    "f??",
    "\\#c",
    "\\!d",
    "\\[e\\]",
    "[[:alpha:]]",
    "[[:upper:]]*",
    "[^b]oo",
    "b*d",
    "a b",
    "[]e]",
    "[e",
    "foo\\",
    "**a",
    "a**",
    "x.p[xyz]",
    "[[:nope:]]",
    "[a-",
    "é",
    "[b-a]",
    "a\\\\b",
    "tail\\ ",
    "tail ",
]


def _pattern(choose: random.Random) -> str:
    body = "/".join(choose.choice(_PIECES) for _ in range(choose.choice([1, 1, 1, 2, 2, 3])))
    head = choose.choice(["", "", "", "!", "/", "!/", "**/"])
    return head + body + choose.choice(["", "", "", "/", "/**", " ", "\r"])


def _grow(folder: Path, choose: random.Random, depth: int) -> None:
    for name in choose.sample(_NAMES, 7):
        if depth and choose.random() < 0.5:
            (folder / name).mkdir()
            _grow(folder / name, choose, depth - 1)
        else:
            (folder / name).touch()
    if choose.random() < 0.5 or depth == 2:
        lines = [_pattern(choose) for _ in range(choose.randint(1, 6))]
        (folder / ".gitignore").write_bytes("\n".join(lines).encode())


def _git_says(root: Path, paths: list[bytes]) -> set[bytes]:
    done = subprocess.run(
        ["git", "-C", str(root), "check-ignore", "--no-index", "-z", "--stdin"],
        input=b"\0".join(paths) + b"\0",
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return set(done.stdout.split(b"\0")) - {b""}


def _all_paths(root: Path) -> list[bytes]:
    top = os.fsencode(root)
    found = []
    for folder, names, files in os.walk(top):
        if folder == top:
            names.remove(b".git")
        found += [os.path.relpath(os.path.join(folder, name), top) for name in names + files]
    return found


def _we_say(root: Path, paths: list[bytes]) -> set[bytes]:
    ignore = Ignore(os.fsencode(root), *environment_rules(os.fsencode(root), ()))
    return {
        path for path in paths if ignore.covers(path, os.path.isdir(os.path.join(os.fsencode(root), path)))
    }


@pytest.mark.parametrize("seed", range(60))
def test_as_git_does(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    choose = random.Random(seed)
    excludes = tmp_path / "global-excludes"
    excludes.write_text("\n".join(_pattern(choose) for _ in range(2)))
    settings = tmp_path / "gitconfig"
    settings.write_text(f"[core]\nexcludesFile = {excludes}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    root = tmp_path / "tree"
    root.mkdir()
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (root / ".git/info/exclude").write_text(_pattern(choose) + "\n")
    _grow(root, choose, 2)
    paths = _all_paths(root)
    git, ours = _git_says(root, paths), _we_say(root, paths)
    assert ours ^ git == set(), {path: (path in git) for path in ours ^ git}
    seen = Found()  # a look at the tree asks about some of the names only
    scan(os.fsencode(root), Ignore(os.fsencode(root), *environment_rules(os.fsencode(root), ())), b"", seen)
    assert seen.entries.keys() == set(paths) - git


def test_devboxignore_and_config_count_more_than_git(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("dist/\n*.log\n")
    (tmp_path / ".devboxignore").write_text("!dist/\nnotes/\n")
    root = os.fsencode(tmp_path)
    ignore = Ignore(root, *environment_rules(root, ("!keep.log", "*.bin")))
    assert not ignore.covers(b"dist", True)
    assert ignore.covers(b"notes/x", False)
    assert ignore.covers(b"a.log", False)
    assert not ignore.covers(b"keep.log", False)
    assert ignore.covers(b"x/y.bin", False)
    assert ignore.covers(b".git/HEAD", False)
    assert ignore.covers(b".devbox-staging/x", False)


def test_a_git_folder_may_be_asked_for(tmp_path: Path) -> None:
    root = os.fsencode(tmp_path)
    assert not Ignore(root, *environment_rules(root, ("!.git",))).covers(b".git/HEAD", False)


def test_rules_that_name_what_is_wanted_do_not_bring_the_git_folder(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*\n!*/\n!*.py\n!HEAD\n")
    root = os.fsencode(tmp_path)
    ignore = Ignore(root, *environment_rules(root, ()))
    assert ignore.covers(b".git", True)
    assert ignore.covers(b".git/HEAD", False)
    assert not ignore.covers(b"pkg/x.py", False)


def test_rules_above_the_root_count_when_the_repository_is_larger(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("*.tmp\n/app/only-here\n")
    app = tmp_path / "app"
    app.mkdir()
    root = os.fsencode(app)
    ignore = Ignore(root, *environment_rules(root, ()))
    assert ignore.covers(b"x.tmp", False)
    assert ignore.covers(b"only-here", False)
    assert not ignore.covers(b"deeper/only-here", False)


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True, text=True)
    return done.stdout


@pytest.mark.parametrize("seed", range(10))
def test_what_is_tracked_is_not_ignored_as_git_sees_it(tmp_path: Path, seed: int) -> None:
    """`git add -f`: the real `git check-ignore` asks its index, and so do we."""
    choose = random.Random(seed)
    _git(tmp_path, "init", "-q")
    _grow(tmp_path, choose, 2)
    files = [
        path for path in _all_paths(tmp_path) if os.path.isfile(os.path.join(os.fsencode(tmp_path), path))
    ]
    _git(tmp_path, "add", "-f", "--", *map(os.fsdecode, choose.sample(files, len(files) // 2)))
    asked = subprocess.run(
        ["git", "-C", str(tmp_path), "check-ignore", "-z", "--stdin"],
        input=b"\0".join(files) + b"\0",
        capture_output=True,
        check=False,
    )
    ignore = of_tree(os.fsencode(tmp_path), ())
    ours = {path for path in files if ignore.covers(path, False)}
    assert ours == set(asked.stdout.split(b"\0")) - {b""}


def test_a_tracked_file_below_an_ignored_folder(tmp_path: Path) -> None:
    _git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("build/\nlocal.env\n")
    (tmp_path / ".devboxignore").write_text("local.env\n")
    (tmp_path / "build").mkdir()
    for name in ("build/keep", "build/out", "local.env"):
        (tmp_path / name).touch()
    _git(tmp_path, "add", "-f", "build/keep", "local.env")
    ignore = of_tree(os.fsencode(tmp_path), ())
    assert not ignore.covers(b"build", True)
    assert not ignore.covers(b"build/keep", False)
    assert ignore.covers(b"build/out", False)
    assert ignore.covers(b"build/deeper", True)
    assert ignore.covers(b"local.env", False), "our own rules count for tracked files too"
