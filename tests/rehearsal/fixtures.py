"""Pytest fixtures: rehearsal hosts shared by a whole run, or made for one test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rehearsal import daemon, hosts
from tests.rehearsal.places import BenchError
from tests.rehearsal.proxy import Proxy


@pytest.fixture(scope="session")
def bench() -> None:
    """The bench is possible on this machine; a skip with the exact reason where it is not."""
    if not shutil.which("docker"):
        pytest.skip("no rehearsal hosts: docker is not installed (scripts/test installs it)")
    try:
        daemon.start()
    except BenchError as error:
        pytest.skip(f"no rehearsal hosts: {error}")


@pytest.fixture(scope="session")
def rehearsal_host(bench: None) -> hosts.RehearsalHost:
    """The host that a run shares; tests leave it as they found it, or reset what they changed.

    It stays for the next run by hand; scripts/test removes it.
    """
    return hosts.up(hosts.Wish(hosts.shared_name()))


@pytest.fixture
def rehearsal_factory(bench: None) -> Iterator[Callable[[hosts.Wish], hosts.RehearsalHost]]:
    """Makes hosts of other kinds; those made here are fresh, and gone after the test."""
    made: list[str] = []

    def make(wish: hosts.Wish) -> hosts.RehearsalHost:
        hosts.down(wish.name)
        made.append(wish.name)
        return hosts.up(wish)

    yield make
    for name in made:
        hosts.down(name)


@pytest.fixture
def ssh_config(bench: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Writes an ssh_config of the running hosts and makes devbox (and its children) use it."""

    def write() -> Path:
        path = tmp_path / "ssh_config"
        path.write_text(hosts.ssh_config())
        monkeypatch.setenv("DEVBOX_SSH_CONFIG", str(path))
        return path

    return write


@pytest.fixture
def proxy_factory() -> Iterator[Callable[..., Proxy]]:
    """Makes delay-and-fault proxies (`proxy_factory((host, port), delay=0.025)`), closed after the test."""
    made: list[Proxy] = []

    def make(target: tuple[str, int], delay: float = 0.0) -> Proxy:
        made.append(Proxy(target, delay))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()
