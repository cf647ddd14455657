"""Doctor's links of sync: the index seen from outside, and what the watching process says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from devbox.ports.check import Finding, Verdict
from devbox.ports.tree import PutLink
from devbox.sync.checks import checks
from devbox.sync.index import Index

STATUS = {"state": "in step", "parked": 0, "saves": 3, "problems": {}}


def look(file: Path, answer: dict[str, Any] | None = None) -> tuple[Finding, Finding]:
    mapping, watching = (one.probe() for one in checks({"~/shop": file}, lambda _: answer))
    return mapping, watching


def test_nothing_synced_and_nobody_watching_are_no_failures(tmp_path: Path) -> None:
    mapping, watching = look(tmp_path / "index.sqlite")
    assert (mapping.verdict, watching.verdict) == (Verdict.SKIPPED, Verdict.SKIPPED)
    assert "devbox sync" in mapping.evidence
    assert "devbox sync --watch" in watching.evidence
    assert list(tmp_path.iterdir()) == []


def test_an_index_in_use_is_read_and_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "index.sqlite"
    index = Index(file)
    assert look(file)[0].evidence == "0 files in step"
    index.intend([PutLink(b"link", b"target")])
    broken_off = look(file)[0]
    assert (broken_off.verdict, broken_off.fix) == (Verdict.WARNING, "devbox sync")
    index.conflict(b"a.py", "both sides changed")
    conflict = look(file)[0]
    assert conflict.evidence == "changed on both sides: a.py"
    assert conflict.fix == "devbox sync --take local|remote a.py"
    index.close()
    assert look(file)[0] == conflict


def test_a_damaged_index_is_said_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "index.sqlite"
    file.write_bytes(b"this is no database, and long enough to be read as one" * 20)
    before = file.read_bytes()
    found = look(file)[0]
    assert found.verdict is Verdict.WARNING
    assert "nothing is deleted" in found.evidence
    assert file.read_bytes() == before


def test_what_the_watching_process_says(tmp_path: Path) -> None:
    file = tmp_path / "none"
    assert look(file, {"sessions": [STATUS]})[1].evidence == "in step; 3 changes sent"
    parked = look(file, {"sessions": [STATUS, {**STATUS, "parked": 60}]})[1]
    assert (parked.evidence, parked.fix) == ("60 deletes wait for a yes", "devbox sync --confirm-deletes")
    refused = look(file, {"sessions": [{**STATUS, "problems": {"a.py": "disk full"}}]})[1]
    assert (refused.evidence, refused.fix) == ("a.py cannot be written", "devbox sync --status")
    assert look(file, {"sessions": [{**STATUS, "state": "offline"}]})[1].verdict is Verdict.WARNING
