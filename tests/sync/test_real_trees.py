"""Large changes at once under watch, as real tools make them: releases exchanged, checkouts, installs."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devbox.sync.session import Session
from tests.sync.bench import Bench, picture
from tests.sync.test_moves import watched

_STANDARD = Path(sysconfig.get_path("stdlib"))
_OLD, _NEW = ("asyncio", "email", "json", "logging"), ("email", "json", "unittest", "xml")
"""Two "releases" of real code: packages go and come, and what stays has changed."""
_RELEASES = ("4.2.16", "5.1.4")
"""Of Django: 3,600 files each; a thousand differ."""
_PATHS = 20_000
"""As many files come with an install."""


@pytest.fixture(params=[True, False], ids=["helper", "sftp"])
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    (tmp_path / "here").mkdir()
    return Bench(tmp_path / "here", tmp_path / "there", tmp_path / "state", helped=request.param)


@pytest.fixture
def session(bench: Bench) -> Iterator[Session]:
    with watched(bench, lambda: None) as session:
        yield session


def settle(bench: Bench, session: Session) -> dict[str, object]:
    """Everything is there, byte by byte; deletes that are a mass get their yes. What is there."""
    for question in (None, session.confirm_deletes):
        request = session.flush(question)
        assert request.done.wait(120)
        assert (request.report["state"], request.report["problems"]) == ("in step", {})
    here = {path: what for path, what in picture(bench.here).items() if path.split("/")[0] != ".git"}
    there = picture(bench.there)
    assert there == here
    return there


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
        assert len(settle(bench, session)) > 50


def _other(*command: str | Path) -> None:
    """Another process does it, as fast as it can."""
    subprocess.run(command, check=True)


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two releases of Django from PyPI, unpacked."""
    top = tmp_path_factory.mktemp("releases")
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "-q", "-d"]
    asked = [[*pip, str(top / "wheels" / one), f"django=={one}"] for one in _RELEASES]
    both = [
        subprocess.Popen(one, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for one in asked
    ]
    for version, process in zip(_RELEASES, both, strict=True):
        said, _ = process.communicate()
        assert process.returncode == 0, f"Django {version} did not come: is PyPI reachable?\n{said}"
        (wheel,) = (top / "wheels" / version).iterdir()
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(top / version)
    return [top / one for one in _RELEASES]


def test_two_releases_of_django_are_exchanged(
    bench: Bench, session: Session, releases: list[Path], tmp_path: Path
) -> None:
    """Unpacked, unpacked in the other's place, overwritten where they differ, renamed into place."""
    (old, new), here, aside = releases, bench.here, tmp_path / "aside"

    def replaced() -> None:
        _other("rm", "-rf", *here.iterdir())
        _other("cp", "-r", *new.iterdir(), here)

    def renamed() -> None:
        _other("cp", "-r", new, aside)
        for one in here.iterdir():
            one.rename(tmp_path / one.name)
        for one in aside.iterdir():
            one.rename(here / one.name)

    switches: list[Callable[[], None]] = [
        lambda: _other("cp", "-r", *old.iterdir(), here),
        replaced,
        lambda: _other("rsync", "-r", "--checksum", "--inplace", "--delete", f"{old}/", here),
        renamed,
    ]
    for switch in switches:
        switch()
        assert len(settle(bench, session)) > 3000


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


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As they stand in node_modules: a thousand packages, small files in some folders each."""
    top = tmp_path_factory.mktemp("install") / "packages"
    for number in range(_PATHS):
        folder = top / f"m{number // 20}" / ("lib", "lib/esm/internal", "node_modules/dep/dist")[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.js").write_bytes(os.urandom(20) * (number % 40))
    return top


def test_an_install_comes_again_and_goes(bench: Bench, session: Session, packages: Path) -> None:
    """As `npm ci` does: thousands of small files in deep folders; removed at once, made anew; removed."""
    # Plain SFTP takes several requests for each file: with all of them its turn alone would last 20 s.
    chosen = sorted(packages.iterdir())[: None if bench.helped else 300]
    files = [path for package in chosen for path in package.rglob("*.js")]
    (bench.here / "app.js").write_text("1")
    modules = bench.here / "node_modules"
    modules.mkdir()
    _other("cp", "-r", *chosen, modules)
    settle(bench, session)
    for path in files[::10]:
        path.write_bytes(os.urandom(100))
    _other("rm", "-rf", modules)
    modules.mkdir()
    _other("cp", "-r", *chosen, modules)
    there = settle(bench, session)
    assert sum(one != "folder" for one in there.values()) == len(files) + 1
    _other("rm", "-rf", modules)
    assert settle(bench, session).keys() == {"app.js"}
