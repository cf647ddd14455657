"""What of a large file has to travel: the blocks that are not there already, at the same place.

Blocks are of one size and stay where they are: what is changed in place or appended costs little; what is
inserted at the beginning moves everything, and all of it is sent. Looking for blocks at every offset would
cost more time here than most links take to carry the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b

from devbox.adapters.helper.remote import wire
from devbox.ports.tree import Sent, new_digest


def digests(answers: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    """The helper's answer, block by block as it comes."""
    for _result, piece in answers:
        for at in range(0, len(piece), wire.BLOCK_DIGEST):
            yield piece[at : at + wire.BLOCK_DIGEST]


def send(blocks: Iterable[bytes], known: Iterator[bytes], add: Callable[[bytes], None], sent: Sent) -> bytes:
    """Send the blocks, or that they are `known`; the digest of all behind them, which is returned."""
    whole, same = new_digest(), 0
    for block in blocks:
        whole.update(block)
        there = next(known, b"")
        if there and there == blake2b(block, digest_size=wire.BLOCK_DIGEST).digest():
            same += 1
            continue
        if same:
            add(wire.LENGTH.pack(wire.SAME_BLOCKS | same))
            same = 0
        add(wire.LENGTH.pack(len(block)))
        add(block)
        sent(len(block))
    if same:
        add(wire.LENGTH.pack(wire.SAME_BLOCKS | same))
    add(wire.LENGTH.pack(0) + whole.digest())
    return whole.digest()
