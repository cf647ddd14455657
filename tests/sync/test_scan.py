"""Looking at the local tree while others work in it."""

from __future__ import annotations

import os
from pathlib import Path

from devbox.sync.ignore import Ignore
from devbox.sync.rules import RuleFile
from devbox.sync.scan import Found, scan


class Vanishing(Ignore):
    """Takes one file away in the middle: after the folder was listed, before the file is looked at."""

    def __init__(self, root: Path, victim: bytes) -> None:
        super().__init__(os.fsencode(root), RuleFile(b"", ()), ())
        self.place, self.victim = root, victim

    def covers(self, path: bytes, is_directory: bool) -> bool:
        if path == self.victim:
            (self.place / os.fsdecode(path)).unlink()
        return False


def test_a_file_that_goes_meanwhile_takes_nothing_with_it(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"d{number}").mkdir()
        (tmp_path / f"d{number}" / "inside").touch()
        (tmp_path / f"f{number}").touch()
    found = Found()
    scan(os.fsencode(tmp_path), Vanishing(tmp_path, b"f7"), b"", found)
    names = {
        *(f"d{n}" for n in range(20)),
        *(f"d{n}/inside" for n in range(20)),
        *(f"f{n}" for n in range(20)),
    }
    assert {os.fsdecode(path) for path in found.entries} == names - {"f7"}
