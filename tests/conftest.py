"""What every test may use, and the summary of a run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.rehearsal.summary import Summary

pytest_plugins = ["tests.rehearsal.fixtures", "tests.road.fixtures", "tests.browser.fixtures"]


def pytest_configure(config: pytest.Config) -> None:
    """Count tests that used real parts."""
    config.pluginmanager.register(Summary())
    # A run in the background (`scripts/test &`) starts with ^C ignored, and hands that on to what it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Tests never assert seconds; hypothesis would, by default.
    settings.register_profile("devbox", deadline=None)
    settings.load_profile("devbox")


@pytest.fixture(autouse=True)
def _checkout_stays_clean() -> Iterator[None]:
    """No test leaves anything beside the code: such things have been committed by mistake."""
    top = Path(__file__).parent.parent
    before = set(os.listdir(top))
    yield
    left = {name for name in set(os.listdir(top)) - before if not name.startswith(".")}
    assert not left, f"left in {top}: {sorted(left)}"


@pytest.fixture
def run_by_root() -> None:
    """For tests whose subject is what this user may do here."""
    if os.geteuid() != 0:
        pytest.skip("only root can be root here without being asked")
