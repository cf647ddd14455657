"""The contract of `Tree`, held by both lanes: against the real sftp-server, and with a real helper."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devbox.adapters.helper.best import BestTree
from devbox.adapters.helper.program import COMMAND
from devbox.adapters.helper.remote import lock as remote
from devbox.adapters.helper.tree import HelperTree
from devbox.adapters.sftp import lock, wire
from devbox.adapters.sftp.client import Client
from devbox.adapters.sftp.lock import OLD
from devbox.adapters.sftp.tree import SftpTree
from devbox.errors import ConnectionLost, HostError
from devbox.ports.tree import Owner, PutLink, Result, Tree, staging_of
from tests.contracts.tree_contract import TreeContract, do, one, put
from tests.sync.pipes import SERVER, Pipes, sftp_server
from tests.sync.servers import Asyncssh

ANNA, BERT = Owner("anna", "anna@laptop, process 1"), Owner("bert", "bert@tower, process 2")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture(scope="module")
def asyncssh_server() -> Iterator[Asyncssh]:
    server = Asyncssh()
    yield server
    server.close()


class TestSftpTree(TreeContract):
    @pytest.fixture
    def tree(self, root: Path) -> Iterator[SftpTree]:
        tree = SftpTree(sftp_server(), str(root), "host")
        tree.prepare(b"token")
        yield tree
        tree.close()


class FarAway(Pipes):
    """A link whose answers take a while, so that what is sent is compressed."""

    def __init__(self) -> None:
        super().__init__("sh", "-c", COMMAND)
        self.travelled = self.pieces = 0

    def recv(self, size: int) -> bytes:
        data = super().recv(size)
        time.sleep(0.01)
        return data

    def send(self, data: bytes) -> None:
        self.travelled += len(data)
        self.pieces += 1
        super().send(data)


class TestHelperFarAway(TreeContract):
    @pytest.fixture
    def tree(self, root: Path) -> Iterator[BestTree]:
        tree = BestTree(FarAway, sftp_server, str(root), "host")
        tree.prepare(b"token")
        yield tree
        tree.close()

    def test_the_next_save_does_not_wait_for_a_round_trip_known_already(self, root: Path) -> None:
        channel = FarAway()
        tree = BestTree(lambda: channel, sftp_server, str(root), "host")
        tree.prepare(b"token")
        known, pieces = tree.idle(), channel.pieces
        assert tree.idle() == known > 0
        assert channel.pieces == pieces, "it was asked again"
        tree.close()

    def test_what_shrinks_travels_small(self, root: Path) -> None:
        channel = FarAway()
        tree = HelperTree(channel, str(root))
        tree.prepare(b"token")
        channel.travelled = 0
        assert one(tree, put(b"f", b"print('hello')\n" * 100_000)).result is Result.DONE
        assert channel.travelled < 100_000
        tree.close()

    def test_many_travel_together(self, root: Path) -> None:
        """Also when there are more of them than may be under way at once."""
        channel = FarAway()
        tree = HelperTree(channel, str(root))
        tree.prepare(b"token")
        channel.pieces = 0
        outcomes = do(tree, *[put(b"f%d" % number, b"x" * 100) for number in range(6000)])
        assert {outcome.result for outcome in outcomes} == {Result.DONE}
        assert channel.pieces < 50
        tree.close()


class Meddling(Pipes):
    """A link that makes another name of one."""

    def send(self, data: bytes) -> None:
        super().send(data.replace(wire.text(b"target"), wire.text(b"TARGET")))


class TestWithoutPosixRename(TreeContract):
    """A server that can only rename to where nothing stands (`-P` takes the extension away)."""

    @pytest.fixture
    def tree(self, root: Path) -> Iterator[SftpTree]:
        tree = SftpTree(sftp_server("-P", "posix-rename"), str(root), "host")
        tree.prepare(b"token")
        assert not tree.abilities.atomic_rename
        yield tree
        tree.close()


class Refusing(Pipes):
    """A link that lets the next rename to that path fail."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(SERVER), "-P", "posix-rename")
        self.end = wire.text(bytes(path))

    def send(self, data: bytes) -> None:
        is_rename = data[4:5] == wire.rename(b"", b"").packet(0)[4:5]
        if is_rename and self.end and data.endswith(self.end):
            data = data.removesuffix(self.end) + self.end.replace(b"/root/", b"/gone/")
            self.end = b""
        super().send(data)


def test_without_posix_rename_the_old_version_comes_back_if_the_new_one_cannot_come(root: Path) -> None:
    channel = Refusing(root / "f")
    tree = SftpTree(channel, str(root), "host")
    tree.prepare(b"token")
    (root / "f").write_text("old")
    assert one(tree, put(b"f", b"new", tree.scan([b""])[b"f"])).result is Result.FAILED
    assert channel.end == b"", "it was refused"
    assert (root / "f").read_text() == "old"
    assert os.listdir(staging_of(str(root))) == ["root"]
    tree.close()


class TestAsyncssh(TreeContract):
    """A server that answers out of order. To this client it reads a symlink's names as OpenSSH does."""

    many = 500  # this server is slow, and takes no more than 400 at once

    @pytest.fixture
    def tree(self, root: Path, asyncssh_server: Asyncssh) -> Iterator[SftpTree]:
        tree = SftpTree(asyncssh_server.channel("paramiko_4"), str(root), "host")
        tree.prepare(b"token")
        yield tree
        tree.close()


class TestAsSpecified:
    """The same server for a stranger: a symlink's names are in the order of the specification."""

    @pytest.fixture
    def tree(self, root: Path, asyncssh_server: Asyncssh) -> Iterator[SftpTree]:
        tree = SftpTree(asyncssh_server.channel("somebody_1"), str(root), "host")
        tree.prepare(b"token")
        yield tree
        tree.close()

    test_links = TreeContract.test_links
    test_links_keep_their_target_byte_by_byte = TreeContract.test_links_keep_their_target_byte_by_byte
    test_kinds = TreeContract.test_scan_sees_what_apply_said
    test_nothing_is_looked_at_over_a_link = TreeContract.test_nothing_is_looked_at_over_a_link


class TestHelperTree(TreeContract):
    @pytest.fixture
    def tree(self, root: Path) -> Iterator[BestTree]:
        noisy = f"echo a start file that prints; {COMMAND}"
        tree = BestTree(lambda: Pipes("sh", "-c", noisy), sftp_server, str(root), "host")
        tree.prepare(b"token")
        assert tree.abilities.lane == "helper"
        yield tree
        tree.close()


@pytest.mark.parametrize("command", ["exit 1", "python4 -c ''", "echo only text"])
def test_without_a_helper_it_is_plain_sftp(root: Path, command: str) -> None:
    tree = BestTree(lambda: Pipes("sh", "-c", command), sftp_server, str(root), "host")
    tree.prepare(b"token")
    assert tree.abilities.lane == "sftp"
    assert one(tree, put(b"f", b"1")).result is Result.DONE
    tree.close()


def test_a_server_that_makes_no_links(root: Path) -> None:
    tree = SftpTree(sftp_server("-P", "symlink"), str(root), "host")
    tree.prepare(b"token")
    first, second = do(tree, PutLink(b"l", b"target"), put(b"f", b"1"))
    assert (first.result, first.why) == (Result.FAILED, "the server makes no symbolic links")
    assert second.result is Result.DONE, "the others go on"
    assert os.listdir(root) == ["f"]
    tree.close()


def test_a_server_that_makes_another_link(root: Path) -> None:
    """It is read back in staging; nothing of it comes into the tree."""
    tree = SftpTree(Meddling(str(SERVER)), str(root), "host")
    tree.prepare(b"token")
    outcome = one(tree, PutLink(b"l", b"target"))
    assert (outcome.result, outcome.why) == (Result.FAILED, "the server made a link to TARGET of it")
    assert os.listdir(root) == []
    assert os.listdir(staging_of(str(root))) == ["root"]
    tree.close()


def test_a_run_that_was_killed_while_it_tried_the_root(root: Path) -> None:
    """Its probe stands in the root: the next run goes over it, and takes it away."""
    root.mkdir()
    (root / ".devbox-staging-probe").touch()
    tree = SftpTree(sftp_server(), str(root), "host")
    tree.prepare(b"token")
    assert list(root.iterdir()) == []
    tree.close()


def _helped(root: Path) -> Tree:
    return BestTree(lambda: Pipes("sh", "-c", COMMAND), sftp_server, str(root), "host")


def _plain(root: Path) -> Tree:
    return SftpTree(sftp_server(), str(root), "host")


Open = Callable[[Path], Tree]


@pytest.fixture(params=[(_plain, _plain), (_helped, _helped), (_plain, _helped), (_helped, _plain)])
def lanes(request: pytest.FixtureRequest) -> tuple[Open, Open]:
    """How the first devbox reaches the root, and how the second does."""
    first, second = request.param
    return first, second


class TestLock:
    """Two devboxes, each a session of its own on the same remote root."""

    def test_a_second_owner_is_refused_until_the_first_lets_go(
        self, root: Path, lanes: tuple[Open, Open]
    ) -> None:
        first, second = (open_tree(root) for open_tree in lanes)
        first.prepare(b"token", ANNA)
        with pytest.raises(HostError, match="another devbox syncs") as refused:
            second.prepare(b"token", BERT)
        assert "anna@laptop, process 1, seen" in str(refused.value)
        assert one(first, put(b"f", b"1")).result is Result.DONE, "and the first one notices nothing of it"
        second.close()
        first.close()
        _gone(lock_file(root))
        third = self._prepared(root, BERT, lanes[1])
        assert self._content(root).startswith("bert")
        third.close()

    def test_the_same_state_folder_takes_its_lock_back_at_once(
        self, root: Path, lanes: tuple[Open, Open]
    ) -> None:
        root.mkdir()
        file = lock_file(root)
        file.parent.mkdir()
        file.write_text("anna\nanna@laptop, process 77\n")
        tree = self._prepared(root, ANNA, lanes[0])
        assert "process 1\n" in self._content(root)
        tree.close()

    def test_who_died_before_he_wrote_his_name_holds_nothing(
        self, root: Path, lanes: tuple[Open, Open]
    ) -> None:
        root.mkdir()
        lock_file(root).parent.mkdir()
        lock_file(root).touch()
        tree = self._prepared(root, ANNA, lanes[0])
        assert self._content(root).startswith("anna")
        tree.close()

    def test_a_lock_of_somebody_who_is_gone_grows_old(self, root: Path, lanes: tuple[Open, Open]) -> None:
        self._prepared(root, ANNA, lanes[0]).close()
        file = lock_file(root)
        _gone(file)
        file.write_text("cecil\ncecil@desk, process 3\n")
        os.utime(file, (time.time() - OLD - 2, time.time() - OLD - 2))
        tree = self._prepared(root, BERT, lanes[1])
        assert self._content(root).startswith("bert")
        assert sorted(one.name for one in file.parent.iterdir()) == ["lock", "root"]
        tree.close()

    def test_a_lock_that_changed_hands_meanwhile_is_given_back(self, root: Path) -> None:
        tree = self._prepared(root, ANNA, _plain)
        client = Client(sftp_server())
        folder = os.fsencode(lock_file(root).parent)
        assert not client.one(lock._break(folder, b"what stood in it before"))
        assert self._content(root).startswith("anna")
        client.close()
        tree.close()

    def test_its_holder_keeps_it_young(self, tmp_path: Path) -> None:
        client, folder = Client(sftp_server()), os.fsencode(tmp_path)
        held = lock.Lock(client, folder, ANNA, beat=0.05)
        opened, _names = client.one(lock.enter(folder, ANNA))
        assert opened
        held.keep(opened)
        os.utime(tmp_path / "lock", (1, 1))
        _until(lambda: (tmp_path / "lock").stat().st_mtime > 1000)
        held.close()
        client.close()

    def test_the_helper_keeps_it_young_while_it_is_asked(self, tmp_path: Path) -> None:
        held = remote.Lock(os.fsencode(tmp_path), b"anna\nanna@laptop\n")
        held.take()
        os.utime(tmp_path / "lock", (1, 1))
        held.live()
        assert (tmp_path / "lock").stat().st_mtime == 1, "not at every request"
        held.touched -= remote.BEAT
        held.live()
        assert (tmp_path / "lock").stat().st_mtime > 1000

    def test_who_lost_the_lock_does_nothing_more(self, root: Path) -> None:
        """After a cut the old helper may still have work: none of it is done behind the new one's back."""
        old, new = self._prepared(root, ANNA, _helped), self._prepared(root, ANNA, _helped)
        with pytest.raises(ConnectionLost):
            one(old, put(b"f", b"late"))
        assert not (root / "f").exists()
        old.close()
        assert lock_file(root).exists(), "and leaves the other's lock alone"
        assert one(new, put(b"f", b"1")).result is Result.DONE
        new.close()

    def _prepared(self, root: Path, owner: Owner, open_tree: Open) -> Tree:
        tree = open_tree(root)
        tree.prepare(b"token", owner)
        return tree

    def _content(self, root: Path) -> str:
        _until(lambda: bool(lock_file(root).read_text()))
        return lock_file(root).read_text()


def lock_file(root: Path) -> Path:
    return Path(staging_of(str(root)), "lock")


def _gone(file: Path) -> None:
    _until(lambda: not file.exists())


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_server_that_allows_few_open_files(root: Path) -> None:
    tree = SftpTree(Pipes("sh", "-c", f"ulimit -n 32; exec {SERVER}"), str(root), "host")
    tree.prepare(b"token")
    outcomes = do(tree, *[put(b"f%d" % number, b"%d" % number) for number in range(500)])
    assert {outcome.result for outcome in outcomes} == {Result.DONE}
    refused = do(tree, *[put(b"no/such/folder/f%d" % number, b"") for number in range(100)])
    assert {outcome.result for outcome in refused} == {Result.FAILED}
    assert {outcome.result for outcome in do(tree, put(b"last", b"1"))} == {Result.DONE}
    tree.close()
