"""No ended span is lost by a kill; what does not fit is counted. At full size: `scripts/prove recorder`."""

from __future__ import annotations

from tests.tracer.losses import Outcome, killed


def test_within_the_bound_nothing_is_lost() -> None:
    assert killed(20_000, threads=4, bound=16 << 20) == Outcome(20_000, 20_000, 20_000, 0)


def test_beyond_the_bound_every_loss_is_counted() -> None:
    found = killed(40_000, threads=4, bound=1 << 20)
    assert found.dropped > 20_000
    assert found.unaccounted == 0
    assert found.stored == found.different
