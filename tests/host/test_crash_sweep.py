"""The transaction script is killed before its commands, one after the other: what is left is old or new.

The script, bash, the kill and the files are real; only systemctl and the like are recorded. A DEBUG trap
enumerates the commands from the script itself. Every third is taken here; `scripts/prove init` takes every
single one, on a real host.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from devbox.rendering import templates_dir

SCRIPT = templates_dir() / "host" / "transaction.sh"
_RECORDED = ("systemctl", "systemd-analyze", "journalctl", "dockerd", "sync")


@dataclass
class Machine:
    """A folder that is a host as far as the script can see."""

    top: Path

    def __post_init__(self) -> None:
        for name in ("etc", "units", "stage/new", "bin"):
            (self.top / name).mkdir(parents=True)
        (self.top / "etc" / "changed").write_text("old\n")
        (self.top / "etc" / "dropped").write_text("was here\n")
        for name in _RECORDED:
            tool = self.top / "bin" / name
            tool.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.top}/calls\n')
            tool.chmod(0o755)
        self._stage()

    def _stage(self) -> None:
        etc, own = self.top / "etc", f"{os.getuid()}:{os.getgid()}"
        old = {name: hashlib.sha256((etc / name).read_bytes()).hexdigest() for name in ("changed", "dropped")}
        lines = [
            f"folder - 700 {own} - {etc}/folder",
            f"put 0 644 {own} {old['changed']} {etc}/changed",
            f"drop 1 644 {own} {old['dropped']} {etc}/dropped",
            f"put 2 600 {own} absent {etc}/folder/fresh",
        ]
        (self.top / "stage" / "changes").write_text("".join(f"{line}\n" for line in lines))
        (self.top / "stage" / "new" / "0").write_text("new\n")
        (self.top / "stage" / "new" / "2").write_text("fresh\n")
        (self.top / "stage" / "transaction.sh").write_bytes(SCRIPT.read_bytes())

    def run(self, *verb: str, kill_at: int = 0) -> tuple[int, int]:
        """Exit code, and how many commands were begun; killed before the `kill_at`-th."""
        count = self.top / "count"
        count.write_text("0")
        script = (
            f"n=0; step() {{ n=$((n + 1)); echo $n >{count}; [ $n != {kill_at} ] || kill -9 $$; }}\n"
            "id=t1; owner=me; restart=yes; deadline=60; patience=5; arguments=\n"
            f"set -- {' '.join(verb)}; set -T; trap step DEBUG\n. {SCRIPT}\n"
        )
        environment = {
            **os.environ,
            "PATH": f"{self.top}/bin:{os.environ['PATH']}",
            "DEVBOX_STATE": str(self.top / "state"),
            "DEVBOX_LOCK": str(self.top / "lock"),
            "DEVBOX_UNITS": str(self.top / "units"),
            "DEVBOX_STAGE": str(self.top / "stage"),
        }
        done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True)
        return done.returncode, int(count.read_text() or 0)

    def state(self) -> dict[str, str]:
        etc = self.top / "etc"
        return {str(path.relative_to(etc)): path.read_text() for path in etc.rglob("*") if path.is_file()}

    @property
    def guarded(self) -> bool:
        return any((self.top / "units").iterdir())

    @property
    def pending(self) -> bool:
        return (self.top / "state" / "pending").exists()


EVERY = 3
OLD = {"changed": "old\n", "dropped": "was here\n"}
NEW = {"changed": "new\n", "folder/fresh": "fresh\n"}


def test_a_whole_run_and_its_commit_leave_the_new_state_and_no_guard(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.run("apply")[0] == 0
    assert machine.state() == NEW
    assert machine.guarded
    assert machine.run("commit", "t1")[0] == 0
    assert machine.state() == NEW
    assert not machine.guarded
    assert not machine.pending


def test_killed_before_every_command_of_apply_the_guard_brings_the_old_state(tmp_path: Path) -> None:
    total = Machine(tmp_path / "whole").run("apply")[1]
    assert total > 50
    for point in range(1, total + 1, EVERY):
        machine = Machine(tmp_path / f"cut{point}")
        machine.run("apply", kill_at=point)
        touched = machine.state() != OLD
        assert machine.guarded or not touched, f"cut {point}: changed files without a guard"
        machine.run("expire")
        assert machine.state() == OLD, f"cut {point}"
        assert not machine.pending, f"cut {point}"
        assert not machine.guarded, f"cut {point}"


def test_killed_before_every_command_of_commit_it_is_old_or_new_as_a_whole(tmp_path: Path) -> None:
    first = Machine(tmp_path / "whole")
    first.run("apply")
    total = first.run("commit", "t1")[1]
    for point in range(1, total + 1, EVERY):
        machine = Machine(tmp_path / f"cut{point}")
        machine.run("apply")
        machine.run("commit", "t1", kill_at=point)
        machine.run("expire")
        assert machine.state() in (OLD, NEW), f"cut {point}"
        assert not machine.pending
        assert not machine.guarded


def test_the_way_back_itself_may_be_killed_anywhere(tmp_path: Path) -> None:
    first = Machine(tmp_path / "whole")
    first.run("apply")
    total = first.run("expire")[1]
    for point in range(1, total + 1, EVERY):
        machine = Machine(tmp_path / f"cut{point}")
        machine.run("apply")
        machine.run("expire", kill_at=point)
        machine.run("expire")  # the timer comes again
        assert machine.state() == OLD, f"cut {point}"
        assert not machine.pending
        assert not machine.guarded


def test_a_file_changed_since_the_plan_stops_everything(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    (tmp_path / "etc" / "changed").write_text("by somebody else\n")
    assert machine.run("apply")[0] == 77
    assert not machine.guarded
    assert not machine.pending
