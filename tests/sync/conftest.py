"""What holds for every test of sync."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rehearsal.hosts import RehearsalHost, ssh_config
from tests.rehearsal.proxy import Proxy
from tests.sync.user import REMOTE, User


@pytest.fixture(autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Servers start in an empty folder: what they make of a relative name lands in it, and is a mistake."""
    home: Path = tmp_path_factory.mktemp("home")
    monkeypatch.chdir(home)
    yield
    assert os.listdir(home) == []


@pytest.fixture
def user(
    tmp_path: Path, rehearsal_host: RehearsalHost, proxy_factory: Callable[..., Proxy]
) -> Iterator[User]:
    proxy = proxy_factory((rehearsal_host.address, 22))
    known = tmp_path / "known_hosts"
    block = next(one for one in ssh_config().split("Host ") if one.startswith(f"{rehearsal_host.name}\n"))
    source = next(line.split()[1] for line in block.splitlines() if "UserKnownHostsFile" in line)
    keys = [line.split(None, 1)[1] for line in Path(source).read_text().splitlines() if line]
    known.write_text("".join(f"[127.0.0.1]:{proxy.port} {key}\n" for key in keys))
    identity = next(line.split()[1] for line in block.splitlines() if "IdentityFile" in line)
    config = tmp_path / "ssh_config"
    config.write_text(
        f"Host far\n HostName 127.0.0.1\n Port {proxy.port}\n User dev\n IdentityFile {identity}\n"
        f" IdentitiesOnly yes\n UserKnownHostsFile {known}\n"
    )
    project = tmp_path / "project"
    project.mkdir()
    text = f"name: p\nhost: far\nsync:\n  - {{local: ., remote: {REMOTE}/p}}\n"
    (project / "devbox.yaml").write_text(text)
    environment = {
        **os.environ,
        "DEVBOX_SSH_CONFIG": str(config),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    environment.pop("SSH_AUTH_SOCK", None)
    yield User(project, rehearsal_host, proxy, environment)
    rehearsal_host.sh(f"rm -rf {REMOTE} /srv/nowhere")
