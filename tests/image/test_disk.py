"""Room for images: what the host has is seen, and little of it is said before a build."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devbox import wiring
from devbox.config.load import parse
from devbox.errors import BuildFailed, DaemonError
from devbox.image import disk
from devbox.image.progress import Progress
from devbox.ports.build import Step
from devbox.ports.daemon import Engine
from devbox.ports.events import ignore
from devbox.ports.host import Finished, HostAddress, Line, Script, Stream
from devbox.ports.host import Progress as Said
from devbox.ports.registry import login
from tests.rehearsal.hosts import RehearsalHost


class Df:
    """A host whose disk has so many kilobytes left."""

    address = HostAddress("box", "dev", "box")

    def __init__(self, left: int) -> None:
        self.left = left

    def run(self, script: Script) -> Iterator[Said]:
        yield Line(Stream.OUT, "Filesystem 1024-blocks Used Available Capacity Mounted on")
        yield Line(Stream.OUT, f"/dev/vda 100000000 1 {self.left} 99% /")
        yield Finished(0)


class Engines:
    """As much of a daemon as the check asks."""

    def engine(self) -> Engine:
        return Engine("28", "1.47", "linux/amd64")

    def reclaimable(self) -> int:
        return 3_400_000_000


def test_enough_is_silent_little_is_said_nothing_is_refused() -> None:
    assert disk.check(Df(50_000_000), Engines()) == ""  # type: ignore[arg-type]
    said = disk.check(Df(1_000_000), Engines())  # type: ignore[arg-type]
    assert said == "1.0 GB left for images on box: docker builder prune on the host frees up to 3.4 GB"
    with pytest.raises(DaemonError, match="disk is full") as stated:
        disk.check(Df(50_000), Engines())  # type: ignore[arg-type]
    assert "builder prune" in stated.value.next_steps[0]


def test_a_full_disk_in_the_middle_of_a_build() -> None:
    progress = Progress(ignore)
    progress.take(
        Step("d", "[2/3] RUN make", started=1, completed=2, error="write /x: no space left on device")
    )
    failed = progress.failure(BuildFailed("failed"), "FROM a", "Dockerfile")
    assert "the host's disk is full" in str(failed)
    assert "docker builder prune   (on the host)" in failed.next_steps


@pytest.mark.parametrize(
    ("reference", "why", "said"),
    [
        ("ghcr.io/team/base", "failed to authorize: 401 Unauthorized", "docker login ghcr.io "),
        ("team/base:1", "pull access denied for team/base", "docker login docker.io "),
        ("localhost:5000/base", "no basic auth credentials", "docker login localhost:5000 "),
        ("team/base", "manifest unknown", ""),
    ],
)
def test_a_registry_that_refuses_leads_to_the_login(reference: str, why: str, said: str) -> None:
    assert "".join(login(reference, why))[: len(said)] == said
    assert bool(login(reference, why)) == bool(said)


@pytest.mark.host
def test_a_real_host_says_what_is_free(docker_user: RehearsalHost, ssh_config: Callable[[], Path]) -> None:
    ssh_config()
    config = parse(f"name: x\nhost: {docker_user.name}\ndocker: {{endpoint: ssh}}")
    with wiring.open_host(config) as host, wiring.open_daemon(config, host) as daemon:
        engine = daemon.engine()
        assert (engine.root, engine.selinux) == ("/var/lib/docker", False)
        found = disk.free(host, engine.root)
        assert daemon.reclaimable() >= 0
    theirs = int(docker_user.sh("df -Pk /var/lib/docker | tail -1").split()[3]) * 1024
    assert found is not None
    assert abs(found - theirs) < 5_000_000_000
