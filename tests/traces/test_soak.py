"""A small seed of `scripts/prove store`."""

from __future__ import annotations

from pathlib import Path

from tests.traces.soak import Soak


def test_a_flood_into_a_small_store_whose_collector_is_killed(tmp_path: Path) -> None:
    found = Soak(tmp_path, 2, 1, lambda _: None).run(10, pause=0.05)
    assert found.wrong == []
    assert found.kills >= 2
    assert found.left < found.stored / 2, "so little came that nothing had to go"
