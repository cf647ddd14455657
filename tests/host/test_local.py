"""`--local`: the host prepares itself, without SSH. Its processes are started in the rehearsal host."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devbox import wiring
from devbox.adapters.local import LocalHost, ProcessPipe
from devbox.adapters.ssh.running import Running
from devbox.adapters.ssh.stage import Stage
from devbox.host import identity, prepare
from devbox.host.model import Wish
from devbox.host.room import Room
from devbox.host.store import Store
from devbox.ports.ask import Nobody
from devbox.ports.check import Verdict
from devbox.ports.host import HostAddress
from tests.host.desk import Desk
from tests.rehearsal.daemon import client


class ThatMachine(LocalHost):
    """devbox on the host itself, as its root: only where its processes start is different."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(Nobody())
        self._host = desk.host

    @property
    def address(self) -> HostAddress:
        return HostAddress("localhost", "root", self._host.address)

    def start(self, stage: Stage, command: str) -> Running:
        words = [*client(), "exec", "-i", self._host.container, "sh", "-c", command]
        return Running(ProcessPipe(f"exec {shlex.join(words)}"), stage, str(self.address))


@pytest.mark.host
def test_a_host_prepares_itself_and_takes_it_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", desk.environment["XDG_CONFIG_HOME"])
    before = desk.snapshot()
    room = Room(ThatMachine(desk), Store("localhost"), wiring.probe(), lambda event: None, time.time)
    wish = Wish(names=(desk.host.address,), owner=identity.owner(), host="localhost")
    proposal = prepare.propose(room, wish)
    assert proposal.plan.restart
    found = dict(prepare.carry_out(room, proposal))
    assert found["with our certificate"].verdict is Verdict.OK
    assert found["without a certificate"].verdict is Verdict.OK
    assert prepare.propose(room, wish).plan.empty
    prepare.carry_out(room, prepare.propose_undo(room, wish))
    assert desk.snapshot() == before


def test_by_the_command_line_this_machine_is_asked_and_no_ssh(tmp_path: Path) -> None:

    environment = {
        **os.environ,
        "PYTHONPATH": os.getcwd(),
        "XDG_CONFIG_HOME": str(tmp_path),
        "DEVBOX_SSH_CONFIG": str(tmp_path / "none"),
    }
    words = [sys.executable, "-m", "devbox", "init", "--local", "--plan"]
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout, "the plan, or why there is none"
    words = [sys.executable, "-m", "devbox", "init", "--local", "elsewhere"]
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "takes no host" in done.stderr
