"""Large changes at once under watch, as real tools make them: releases exchanged, checkouts, installs."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from devbox.sync.session import Session
from tests.sync.bench import Bench, picture
from tests.sync.test_moves import watched

_STANDARD = Path(sysconfig.get_path("stdlib"))
_OLD, _NEW = ("asyncio", "email", "json", "logging"), ("email", "json", "unittest", "xml")
"""Two "releases" of real code: packages go and come, and what stays has changed."""
_PATHS = 2000
"""As many come with an install."""


@pytest.fixture(params=[True, False], ids=["helper", "sftp"])
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    (tmp_path / "here").mkdir()
    return Bench(tmp_path / "here", tmp_path / "there", tmp_path / "state", helped=request.param)


@pytest.fixture
def session(bench: Bench) -> Iterator[Session]:
    with watched(bench, lambda: None) as session:
        yield session


def settle(bench: Bench, session: Session) -> None:
    """Everything is there, byte by byte; deletes that are a mass get their yes."""
    for question in (None, session.confirm_deletes):
        request = session.flush(question)
        assert request.done.wait(120)
        assert (request.report["state"], request.report["problems"]) == ("in step", {})
    here = {path: what for path, what in picture(bench.here).items() if path.split("/")[0] != ".git"}
    assert picture(bench.there) == here


def _release(folder: Path, packages: tuple[str, ...], version: str) -> None:
    for name in packages:
        shutil.copytree(_STANDARD / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in sorted(folder.rglob("*.py"))[::3]:
        file.write_text(f"# {version}\n{file.read_text(encoding='utf-8')}", encoding="utf-8")


def test_two_releases_of_real_code_are_exchanged(bench: Bench, session: Session, tmp_path: Path) -> None:
    """As an unpacked archive takes the place of another: every path goes, most of them come back."""
    for version, packages in (("old", _OLD), ("new", _NEW)):
        _release(tmp_path / version, packages, version)
    for version in ("old", "new", "old"):
        for one in bench.here.iterdir():
            shutil.rmtree(one)
        shutil.copytree(tmp_path / version, bench.here, dirs_exist_ok=True)
        settle(bench, session)
        assert len(picture(bench.there)) > 50


def _git(root: Path, *words: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "gc.auto=0")
    subprocess.run(["git", "-C", str(root), *identity, *words], check=True, capture_output=True)


def _commit(root: Path, choose: random.Random, number: int) -> None:
    """One step of a history: folders renamed, files new, changed, gone, made executable; links."""
    files = sorted(path for path in root.rglob("*.txt") if path.is_file() and not path.is_symlink())
    for path in choose.sample(files, len(files) // 3):
        path.write_text(f"{number} {choose.random()}\n" * choose.randint(1, 200))
    for path in choose.sample(files, len(files) // 10):
        path.unlink()
    for index in range(30):
        folder = root / f"d{choose.randint(0, 9)}" / f"e{choose.randint(0, 4)}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}-{index}.txt").write_text(f"{number} {index}")
    folders = sorted(path for path in root.glob("d*") if path.is_dir())
    choose.choice(folders).rename(root / f"d{number}-renamed")
    (root / f"link{number}").symlink_to(f"d{number}-renamed")
    choose.choice(sorted(root.rglob("*.txt"))).chmod(0o755)
    _git(root, "add", "-A")
    _git(root, "commit", "-q", "-m", str(number))
    _git(root, "tag", f"v{number}")


def test_checkouts_between_far_commits(bench: Bench, session: Session) -> None:
    _git(bench.here, "init", "-q")
    choose = random.Random(4)
    for number in range(12):
        _commit(bench.here, choose, number)
    settle(bench, session)
    for version in (0, 11, 5, 11, 0, 6):
        _git(bench.here, "checkout", "-q", f"v{version}")
        settle(bench, session)
    for version in (11, 0, 5, 11):  # one after the other, nobody waits
        _git(bench.here, "checkout", "-q", f"v{version}")
    settle(bench, session)


def test_an_install_comes_and_goes(bench: Bench, session: Session) -> None:
    """As `npm ci` does: thousands of small files in deep folders, in place one by one; then all removed."""
    (bench.here / "app.js").write_text("1")
    modules = bench.here / "modules"
    for number in range(_PATHS):
        folder = modules / f"m{number % 300}" / "lib" / f"n{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.js").write_bytes(os.urandom(20) * (number % 40))
    settle(bench, session)
    assert sum(one != "folder" for one in picture(bench.there).values()) == _PATHS + 1
    shutil.rmtree(modules)
    settle(bench, session)
    assert picture(bench.there).keys() == {"app.js"}
