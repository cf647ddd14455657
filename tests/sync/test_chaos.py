"""A small portion of chaos; `scripts/prove sync` has the large ones."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sync.chaos import Reader, run_seed
from tests.sync.chaos_hand import STEADY


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_both_sides_are_equal_in_the_end(tmp_path: Path, seed: int) -> None:
    result = run_seed(seed, 150, tmp_path)
    assert result.good, result
    assert result.steady_reads > 0


def test_the_reader_notices_what_is_torn_or_missing(tmp_path: Path) -> None:
    """Else the proof that nothing ever is would prove nothing."""
    steady = tmp_path / STEADY[0]
    steady.write_text("whole")
    reader = Reader(tmp_path, {hashlib.sha256(b"whole").hexdigest()})
    _until(lambda: reader.steady_reads > 0)
    assert not reader.missing
    assert not reader.torn
    steady.write_text("half")
    _until(lambda: bool(reader.torn))
    steady.unlink()
    _until(lambda: bool(reader.missing))
    reader.stop.set()
    reader.join()


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)
