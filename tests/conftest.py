"""What every test may use, and the summary of a run."""

from __future__ import annotations

import pytest

from tests.rehearsal.summary import Summary

pytest_plugins = ["tests.rehearsal.fixtures", "tests.road.fixtures"]


def pytest_configure(config: pytest.Config) -> None:
    """Count tests that used real parts."""
    config.pluginmanager.register(Summary())
