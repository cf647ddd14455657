"""A small portion of chaos; `scripts/prove sync` has the large ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sync.chaos import run_seed


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_both_sides_are_equal_in_the_end(tmp_path: Path, seed: int) -> None:
    result = run_seed(seed, 150, tmp_path)
    assert result.good, result
    assert result.reads > 0
