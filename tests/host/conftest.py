"""A rehearsal host of this room's own (its dockerd is restarted all the time), and the real CLI on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.host.desk import Desk, clean, sit_down
from tests.rehearsal import hosts


@pytest.fixture(scope="session")
def init_host(bench: None) -> Iterator[hosts.RehearsalHost]:
    """A host that only this room uses, named after the shared one: two runs on one machine need not share."""
    name = hosts.shared_name("init")
    yield hosts.up(hosts.Wish(name))
    hosts.down(name)


@pytest.fixture
def desk_at(tmp_path: Path) -> Callable[[hosts.RehearsalHost], Desk]:
    """Sets up a desk for a host."""

    def make(host: hosts.RehearsalHost) -> Desk:
        return sit_down(tmp_path, host)

    return make


@pytest.fixture
def desk(desk_at: Callable[[hosts.RehearsalHost], Desk], init_host: hosts.RehearsalHost) -> Iterator[Desk]:
    """A desk at the shared host, which is put back after the test by what is on it."""
    made = desk_at(init_host)
    before, process = made.snapshot(), made.process()
    yield made
    clean(init_host, restart=(made.snapshot(), made.process()) != (before, process))
    after = made.snapshot()
    assert after == before, "the host is not as it was before the test"
