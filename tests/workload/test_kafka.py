"""What is Kafka's own: positions instead of marks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from devbox.workload.roads.kafkaledger import Ledger


@given(some.permutations(range(8)))
def test_only_what_lies_before_all_open_messages_is_committed(order: list[int]) -> None:
    ledger = Ledger()
    for offset in range(8):
        ledger.take(offset)
    done: set[int] = set()
    committed = 0
    for offset in order:
        done.add(offset)
        committed = ledger.done(offset) or committed
        assert committed == next(number for number in range(9) if number not in done)


def test_a_message_of_a_lost_partition_moves_nothing() -> None:
    assert Ledger().done(7) is None


def test_done_twice_moves_nothing() -> None:
    ledger = Ledger()
    ledger.take(3)
    assert ledger.done(3) == 4
    assert ledger.done(3) is None
