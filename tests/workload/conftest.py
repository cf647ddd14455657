"""One running shop for the tests that do not harm it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devbox.workload import local
from tests.workload.shops import Running


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The whole shop as processes, behind nginx."""
    yield from running(tmp_path_factory.mktemp("shop"))


def running(state: Path) -> Iterator[Running]:
    """A shop in this folder, ended afterwards."""
    try:
        yield Running(local.up(state))
    finally:
        local.down(state)
