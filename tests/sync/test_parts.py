"""Large files over plain SFTP: what arrived before a cut does not travel again, nothing else is trusted."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from devbox.adapters.helper.program import COMMAND
from devbox.adapters.helper.tree import HelperTree
from devbox.adapters.sftp import parts
from devbox.adapters.sftp.tree import SftpTree
from devbox.errors import ConnectionLost
from devbox.ports.tree import Put, Result
from tests.contracts.tree_contract import WHEN, Bytes, one, put
from tests.sync.cuts import Far
from tests.sync.pipes import SERVER

SIZE = 24 << 20


class Host(Far):
    def cut(self, data: bytes, after: float = 0.8) -> Path:
        """Send it, lose the link after that share of it; the part that is left."""
        tree, _channel = self.open(SIZE * after)
        with pytest.raises(ConnectionLost):
            one(tree, put(b"blob", data))
        tree.close()
        assert not (self.root / "blob").exists()
        (part,) = self.staged
        return part

    def put(self, data: bytes) -> int:
        """Put it over a link that holds; how many bytes were sent for it."""
        tree, channel = self.open()
        assert one(tree, put(b"blob", data)).result is Result.DONE
        tree.close()
        assert (self.root / "blob").read_bytes() == data
        assert (self.root / "blob").stat().st_mode & 0o777 == 0o644
        assert self.staged == []
        return channel.sent


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "root", SftpTree, (str(SERVER),))


@pytest.fixture
def data() -> bytes:
    return random.Random(1).randbytes(SIZE)


def test_what_arrived_before_a_cut_is_not_sent_again(host: Host, data: bytes) -> None:
    arrived = host.cut(data).stat().st_size
    assert arrived > SIZE // 2
    assert host.put(data) < SIZE - arrived + 2 * parts.BATCH


def test_cut_after_cut_it_comes_through(host: Host, data: bytes) -> None:
    host.cut(data, 0.4)
    host.cut(data, 0.4)
    assert host.put(data) < SIZE * 0.75


def test_another_version_uses_nothing_of_the_part(host: Host, data: bytes) -> None:
    host.cut(data)
    changed = b"#" + data[1:]
    assert host.put(changed) > SIZE


@pytest.mark.parametrize("size", [SIZE * 3 // 4, SIZE + 5])
def test_a_part_that_the_host_spoiled_is_not_gone_on_with(host: Host, data: bytes, size: int) -> None:
    part = host.cut(data)
    part.write_bytes(bytes(size))
    assert host.put(data) > SIZE


def test_a_source_that_changes_between_its_two_readings(host: Host, data: bytes) -> None:
    host.cut(data)

    class Swapped:
        """Says one thing when it is looked at, and another when it is sent."""

        readings = 0

        def chunks(self, size: int):  # type: ignore[no-untyped-def]
            self.readings += 1
            yield from Bytes(data if self.readings < 3 else b"#" + data[1:]).chunks(size)

    tree, _channel = host.open()
    assert one(tree, Put(b"blob", Swapped(), SIZE, WHEN, 0o644)).result is Result.UNSTABLE
    tree.close()
    assert not (host.root / "blob").exists()
    assert host.staged == []


def test_equal_files_at_two_paths_do_not_meet(host: Host, data: bytes) -> None:
    tree, _channel = host.open()
    wave = [put(b"a", data), put(b"b", data), put(b"c", b"small")]
    assert {done.result for done in tree.apply([wave], lambda count: None)} == {Result.DONE}
    tree.close()
    assert (host.root / "a").read_bytes() == (host.root / "b").read_bytes() == data
    assert host.staged == []


def test_parts_wait_for_a_week(host: Host, data: bytes) -> None:
    part = host.cut(data)
    week = time.time() - parts.KEPT
    os.utime(part, (week + 3600, week + 3600))
    host.open()[0].close()
    assert host.staged == [part]
    os.utime(part, (week - 3600, week - 3600))
    host.open()[0].close()
    assert host.staged == []


def test_a_run_with_the_helper_leaves_the_part_where_it_is(host: Host, data: bytes) -> None:
    part = host.cut(data)
    Far(host.root, HelperTree, ("sh", "-c", COMMAND)).open()[0].close()
    assert host.staged == [part]


def test_a_full_disk_leaves_no_part(host: Host, data: bytes) -> None:
    tree, channel = host.open()
    channel.fill(True)
    assert one(tree, put(b"blob", data)).result is Result.FAILED
    channel.fill(False)
    tree.close()
    assert host.staged == []
