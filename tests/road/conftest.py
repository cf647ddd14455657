"""The road is driven from a terminal of its own, against the run's shared host."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.hosts import RehearsalHost
from tests.road.terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path, rehearsal_host: RehearsalHost) -> Terminal:
    """A user's terminal, in an empty home, whose host is the shared one."""
    return Terminal(home=tmp_path / "home", host=rehearsal_host.name, folder=tmp_path)
