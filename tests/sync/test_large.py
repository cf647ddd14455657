"""Large files through the helper: what is there already does not travel again, not even after a cut."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devbox.adapters.helper.program import COMMAND
from devbox.adapters.helper.tree import HelperTree
from devbox.errors import ConnectionLost
from devbox.ports.tree import Entry, Put, Result, SourceChanged
from tests.contracts.tree_contract import WHEN, Bytes, one, put
from tests.sync.cuts import Far

SIZE = 12 << 20


@pytest.fixture
def host(tmp_path: Path) -> Far:
    return Far(tmp_path / "root", HelperTree, ("sh", "-c", COMMAND))


@pytest.fixture
def data() -> bytes:
    return random.Random(1).randbytes(SIZE)


def _put(host: Far, data: bytes, *expects: Entry) -> tuple[Entry, int]:
    """Put it, and look; its entry, and how many bytes were sent for it."""
    tree, channel = host.open()
    outcome = one(tree, put(b"blob", data, *expects))
    tree.close()
    assert outcome.result is Result.DONE
    assert outcome.entry
    assert (host.root / "blob").read_bytes() == data
    assert host.staged == []
    return outcome.entry, channel.sent


def test_one_byte_changed_costs_one_block(host: Far, data: bytes) -> None:
    entry, sent = _put(host, data)
    assert sent > SIZE
    changed = data[: SIZE // 2] + b"!" + data[SIZE // 2 + 1 :]
    _entry, sent = _put(host, changed, entry)
    assert sent < 200_000


@pytest.mark.parametrize("length", [SIZE - 4_000_000, SIZE - 1, SIZE + 1, SIZE + 131072, SIZE + 300_001])
def test_longer_and_shorter(host: Far, data: bytes, length: int) -> None:
    entry, _sent = _put(host, data)
    _entry, sent = _put(host, (data + data)[:length], entry)
    assert sent < 600_000


def test_what_arrived_before_a_cut_is_not_sent_again(host: Far, data: bytes) -> None:
    tree, _channel = host.open(limit=SIZE * 0.8)
    with pytest.raises(ConnectionLost):
        one(tree, put(b"blob", data))
    tree.close()
    assert not (host.root / "blob").exists()
    assert len(host.staged) == 1
    _entry, sent = _put(host, data)
    assert sent < SIZE * 0.3


def test_a_cut_while_a_version_stands_there(host: Far, data: bytes) -> None:
    old = random.Random(2).randbytes(SIZE)
    entry, _sent = _put(host, old)
    tree, _channel = host.open(limit=SIZE * 0.8)
    with pytest.raises(ConnectionLost):
        one(tree, put(b"blob", data, entry))
    tree.close()
    assert (host.root / "blob").read_bytes() == old
    _entry, sent = _put(host, data, entry)
    assert sent < SIZE * 0.3


def test_what_changed_there_is_not_replaced(host: Far, data: bytes) -> None:
    entry, _sent = _put(host, data)
    (host.root / "blob").write_bytes(b"made on the host")
    tree, _channel = host.open()
    assert one(tree, put(b"blob", data, entry)).result is Result.CONFLICT
    tree.close()
    assert (host.root / "blob").read_bytes() == b"made on the host"


@dataclass(frozen=True)
class Overtaken:
    """A source that changes near its end."""

    data: bytes

    def chunks(self, size: int) -> Iterator[bytes]:
        yield from Bytes(self.data).chunks(size)
        raise SourceChanged("a newer version")


def test_a_newer_version_finds_what_the_older_one_sent(host: Far, data: bytes) -> None:
    tree, channel = host.open()
    assert one(tree, Put(b"blob", Overtaken(data), SIZE, WHEN, 0o644)).result is Result.UNSTABLE
    assert not (host.root / "blob").exists()
    channel.sent = 0
    newer = b"#" + data[1:]
    assert one(tree, put(b"blob", newer)).result is Result.DONE
    tree.close()
    assert (host.root / "blob").read_bytes() == newer
    assert channel.sent < 400_000
    assert host.staged == []


def test_small_and_large_files_in_one_wave(host: Far, data: bytes) -> None:
    tree, _channel = host.open()
    wave = [put(b"a", b"1"), put(b"big", data), put(b"b", b"2"), put(b"no/folder", data), put(b"c", b"3")]
    results = {done.operation.path: done.result for done in tree.apply([wave], lambda count: None)}
    assert results.pop(b"no/folder") is Result.FAILED
    assert set(results.values()) == {Result.DONE}
    assert tree.idle() > 0
    tree.close()
    assert (host.root / "big").read_bytes() == data
