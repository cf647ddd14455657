"""The contract of `Tree`, held by SFTP against the real sftp-server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devbox.adapters.sftp.tree import SftpTree
from tests.contracts.tree_contract import TreeContract
from tests.sync.pipes import sftp_server


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
