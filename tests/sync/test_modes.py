"""The modes that files and folders have on the host, over both lanes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from devbox.adapters.helper.best import BestTree
from devbox.adapters.helper.program import COMMAND
from devbox.adapters.sftp.tree import SftpTree
from devbox.config.modes import Modes, wrong
from devbox.ports.tree import Tree
from devbox.sync.place import Place
from devbox.sync.session import Session
from tests.cli.test_door import devbox
from tests.sync.pipes import Pipes, sftp_server


@pytest.mark.parametrize(
    ("text", "modes"),
    [
        ("", Modes(0o644, 0o755)),
        ("F664", Modes(0o664, 0o755)),
        ("D2775,F0600", Modes(0o600, 0o2775)),
        ("F640, D750", Modes(0o640, 0o750)),
    ],
)
def test_modes_as_text(text: str, modes: Modes) -> None:
    assert Modes.read(text) == modes
    assert wrong(text) == ""


@pytest.mark.parametrize("text", ["664", "Fg+w", "F888", "X755", "D", "F77777"])
def test_what_is_no_mode_is_named(text: str) -> None:
    assert repr(text) in wrong(text)


@pytest.mark.parametrize(("file", "mode"), [(0o644, 0o755), (0o664, 0o775), (0o600, 0o700), (0o640, 0o750)])
def test_who_may_read_what_is_executable_may_run_it(file: int, mode: int) -> None:
    assert Modes(file).of(0o100) == mode
    assert Modes(file).of(0o644) == file


@dataclass
class Pair:
    here: Path
    there: Path
    helped: bool

    def sync(self, modes: str = "") -> dict[str, object]:
        place = Place(
            os.fsencode(self.here),
            str(self.there),
            "host",
            self.here.parent / "state",
            modes=Modes.read(modes),
        )
        session = Session(place, self.connect, lambda event: None)
        try:
            return session.run_once().as_data()
        finally:
            session.close()

    def connect(self) -> Tree:
        if self.helped:
            return BestTree(lambda: Pipes("sh", "-c", COMMAND), sftp_server, str(self.there), "host")
        return SftpTree(sftp_server(), str(self.there), "host")

    def modes(self, *paths: str) -> list[str]:
        return [f"{(self.there / path).stat().st_mode & 0o7777:o}" for path in paths]


ALL = ("pkg", "pkg/a.py", "run.sh")


@pytest.fixture(params=[True, False], ids=["helper", "plain"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Pair:
    here = tmp_path / "here"
    (here / "pkg").mkdir(parents=True)
    (here / "pkg").chmod(0o700)
    (here / "pkg" / "a.py").write_text("a = 1\n")
    (here / "pkg" / "a.py").chmod(0o600)
    (here / "run.sh").write_text("#!/bin/sh\n")
    (here / "run.sh").chmod(0o740)
    return Pair(here, tmp_path / "there", request.param)


def test_as_usual(pair: Pair) -> None:
    pair.sync()
    assert pair.modes(*ALL) == ["755", "644", "755"]


def test_what_a_whole_group_may_write(pair: Pair) -> None:
    pair.sync("D2775,F664")
    assert pair.modes(*ALL) == ["2775", "664", "775"]
    assert pair.sync("D2775,F664")["put"] == 0


def test_other_modes_from_now_on(pair: Pair) -> None:
    pair.sync()
    times = os.stat(pair.there / "run.sh").st_mtime_ns
    pair.sync("F600")
    assert pair.modes(*ALL) == ["755", "600", "700"]
    assert os.stat(pair.there / "run.sh").st_mtime_ns == times
    (pair.here / "run.sh").chmod(0o644)
    pair.sync("F600")
    assert pair.modes("run.sh") == ["600"]


@pytest.mark.parametrize(("modes", "found"), [("", "600"), ("F664", "664"), ("F644", "600")])
def test_what_stands_there_already_gets_the_modes_that_were_asked_for(
    pair: Pair, modes: str, found: str
) -> None:
    (pair.there / "pkg").mkdir(parents=True)
    (pair.there / "pkg" / "a.py").write_text("a = 1\n")
    (pair.there / "pkg" / "a.py").chmod(0o600)
    pair.sync(modes)
    assert pair.modes("pkg/a.py") == [found]


def test_what_the_folder_above_hands_down_stays(pair: Pair) -> None:
    pair.there.mkdir()
    pair.there.chmod(0o2755)
    before = os.umask(0o077)
    try:
        pair.sync()
    finally:
        os.umask(before)
    assert pair.modes(*ALL) == ["2755", "644", "755"]


def test_modes_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "devbox.yaml").write_text("name: shop\nhost: far\nsync: [{local: ., remote: ~/shop}]\n")
    done = devbox("sync", "--chmod", "u+w", cwd=tmp_path)
    assert done.returncode == 2
    assert "--chmod wants modes such as D2775,F664 (folders, files), found 'u+w'" in done.stderr
    (tmp_path / "devbox.yaml").write_text("name: shop\nhost: far\nsync: [{chmod: F999}]\n")
    done = devbox("sync", "--dry-run", cwd=tmp_path)
    assert done.returncode == 1
    assert "devbox.yaml" in done.stderr
    assert "found 'F999'" in done.stderr
