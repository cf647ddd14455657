"""The contract of `Tree`, held by both lanes: against the real sftp-server, and with a real helper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devbox.adapters.helper.tree import COMMAND, HelperTree
from devbox.adapters.sftp.tree import SftpTree
from tests.contracts.tree_contract import TreeContract
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
    def tree(self, root: Path) -> Iterator[HelperTree]:
        base = SftpTree(sftp_server(), str(root), "host")
        tree = HelperTree(base, Pipes("sh", "-c", f"echo a start file that prints; {COMMAND}"))
        tree.prepare(b"token")
        yield tree
        tree.close()
