"""The Host contract, held by the fake and by a real connection to a real sshd."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devbox.adapters.local import LocalHost
from devbox.adapters.ssh.connection import connect
from devbox.ports.ask import Nobody
from devbox.ports.host import Host
from tests.contracts.host import HostContract
from tests.fakes.host import FakeHost
from tests.ssh.sshd import Sshd


class TestFake(HostContract):
    @pytest.fixture
    def host(self, tmp_path: Path) -> Host:
        return FakeHost(tmp_path)


class TestReal(HostContract):
    @pytest.fixture
    def host(self, shared: Sshd, use_config: Callable[[str], Path]) -> Iterator[Host]:
        use_config(shared.stanza("box"))
        with connect("box") as connection:
            yield connection


class TestLocal(HostContract):
    @pytest.fixture
    def host(self) -> Host:
        return LocalHost(Nobody())
