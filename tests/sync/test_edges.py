"""The table of edge cases names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def test_every_test_in_the_table_exists() -> None:
    table = (TOP / "devbox" / "sync" / "README.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", table))
    folders = (TOP / "tests" / "sync", TOP / "tests" / "contracts")
    there = {
        name
        for folder in folders
        for file in folder.glob("*.py")
        for name in re.findall(r"def (test_\w+)\(", file.read_text())
    }
    assert len(named) > 50
    assert named - there == set()
