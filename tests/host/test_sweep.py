"""A small number of the cuts that `scripts/prove init` makes: all commands of the script, all events."""

from __future__ import annotations

import pytest

from tests.host.desk import Desk
from tests.host.sweep import Sweep

pytestmark = pytest.mark.host


@pytest.fixture
def sweep(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "DEVBOX_SSH_CONFIG"):
        monkeypatch.setenv(name, desk.environment[name])
    return Sweep(desk)


def test_the_link_cut_here_and_there_leaves_the_old_state_or_the_new_one(sweep: Sweep) -> None:
    commands = sweep.commands()
    early, late = (sweep.cut("apply", round(commands["apply"] * part)) for part in (0.1, 0.9))
    assert (early.state, early.said) == ("old", ""), "nothing had been touched"
    assert late.state == "old"
    assert "an earlier run did not end" in late.said
    assert "the last change was taken back" in late.said
    proved = sweep.cut("commit", round(commands["commit"] * 0.6))
    assert proved.state == "new"
    assert "it had been proved: its changes stay" in proved.said


def test_killed_between_restart_and_proof(sweep: Sweep) -> None:
    outcome = sweep.kill(5)
    assert outcome.where == "killed after init.step dockerd restarted"
    assert outcome.state == "old"
    assert "the last change was taken back" in outcome.said
