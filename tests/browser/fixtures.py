"""One browser for all tests of a run that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Browser, program, started


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium; where there is none the test is skipped, and the run's summary counts it."""
    if program() is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with started() as running:
        yield running
