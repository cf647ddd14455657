"""A small seed of `scripts/prove store`."""

from __future__ import annotations

from pathlib import Path

from tests.traces.soak import Soak


def test_a_flood_into_a_small_store_whose_collector_is_killed(tmp_path: Path) -> None:
    found = Soak(tmp_path, 1, 1, lambda _: None).run(0, pause=0.2, least=10_000)
    assert found.wrong == []
    assert found.kills > 0
    assert found.left < found.stored, "so little came that nothing had to go"
