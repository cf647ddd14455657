"""The contract of `Tree`, held by both lanes: against the real sftp-server, and with a real helper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devbox.adapters.helper.best import BestTree
from devbox.adapters.helper.program import COMMAND
from devbox.adapters.sftp.tree import SftpTree
from devbox.ports.tree import Result
from tests.contracts.tree_contract import TreeContract, one, put
from tests.sync.pipes import Pipes, sftp_server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


class TestSftpTree(TreeContract):
    @pytest.fixture
    def tree(self, root: Path) -> Iterator[SftpTree]:
        tree = SftpTree(sftp_server(), str(root), "host")
        tree.prepare(b"token")
        yield tree
        tree.close()


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


def test_a_run_that_was_killed_while_it_tried_the_root(root: Path) -> None:
    """Its probe stands in the root: the next run goes over it, and takes it away."""
    root.mkdir()
    (root / ".devbox-staging-probe").touch()
    tree = SftpTree(sftp_server(), str(root), "host")
    tree.prepare(b"token")
    assert list(root.iterdir()) == []
    tree.close()
