from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.traces.reading import Reader


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def reader(tmp_path: Path, spool: Path) -> Iterator[Reader]:
    made = Reader(spool, tmp_path / "traces.db")
    yield made
    made.store.close()
