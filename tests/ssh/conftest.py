"""One sshd for the whole room, and a way to name servers in an ssh_config of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ssh.sshd import Sshd, sshd


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server that no test changes."""
    with sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    """A server of the test's own, whose files it may change."""
    with sshd(tmp_path / "sshd") as running:
        yield running


@pytest.fixture
def use_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes an ssh_config and makes it the one in use; no agent, unless the test starts one."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    def write(text: str) -> Path:
        path = tmp_path / "ssh_config"
        path.write_text(text)
        monkeypatch.setenv("DEVBOX_SSH_CONFIG", str(path))
        return path

    return write
