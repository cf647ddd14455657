"""A project of its own for every test on the shared host."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.rehearsal.hosts import RehearsalHost
from tests.road.terminal import Terminal
from tests.services.shop import Shop, free_port


@pytest.fixture
def shop(terminal: Terminal, rehearsal_host: RehearsalHost) -> Iterator[Shop]:
    # Each test has a project of its own: what another left on the host would rightly be a conflict.
    made = Shop(terminal, f"svc-{secrets.token_hex(3)}", free_port())
    terminal.devbox("init", terminal.host, "--yes")
    yield made
    terminal.devbox("down", "--volumes")
    rehearsal_host.sh(f"rm -rf /home/dev/devbox/*{made.name}")
