"""What holds for every test of sync."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Servers start in an empty folder: what they make of a relative name lands in it, and is a mistake."""
    home: Path = tmp_path_factory.mktemp("home")
    monkeypatch.chdir(home)
    yield
    assert os.listdir(home) == []
