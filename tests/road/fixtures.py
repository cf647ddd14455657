"""The road is driven from a terminal of its own, against the run's shared host."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rehearsal.hosts import RehearsalHost
from tests.road.terminal import Terminal


@pytest.fixture(scope="session")
def shared_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys and certificates of the run: the shared host is prepared once, by the test that comes first."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def terminal(tmp_path: Path, shared_keys: Path, rehearsal_host: RehearsalHost) -> Terminal:
    """A user's terminal, in an empty home, whose host is the shared one."""
    return Terminal(home=tmp_path / "home", keys=shared_keys, host=rehearsal_host.name, folder=tmp_path)
