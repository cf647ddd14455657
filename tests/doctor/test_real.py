"""The whole chain on a real host: not prepared, prepared, and broken link by link."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.hosts import RehearsalHost, Wish
from tests.road.terminal import Terminal

pytestmark = pytest.mark.host


@pytest.fixture
def terminal(tmp_path: Path, rehearsal_host: RehearsalHost) -> Terminal:
    return Terminal(home=tmp_path / "home", keys=tmp_path / "keys", host=rehearsal_host.name, folder=tmp_path)


@pytest.fixture
def away(rehearsal_host: RehearsalHost) -> Iterator[str]:
    """A folder on the host that is none."""
    path = "/home/dev/in-the-way"
    rehearsal_host.sh(f"touch {path}")
    yield path
    rehearsal_host.sh(f"rm -f {path}")


def chain(terminal: Terminal, *words: str, code: int = 0) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(terminal.devbox("doctor", "--json", *words, code=code).stdout)
    return {"broken": report["broken"], **{one["name"]: one for one in report["checks"]}}


def test_before_and_after_init(rehearsal_factory: Callable[[Wish], RehearsalHost], tmp_path: Path) -> None:
    host = rehearsal_factory(Wish("doctor-chain", python_image=False))
    terminal = Terminal(home=tmp_path / "home", keys=tmp_path / "keys", host=host.name, folder=tmp_path)
    found = chain(terminal, "--host", terminal.host, code=1)
    assert found["broken"] == "TLS"
    assert found["TLS"]["fix"] == f"devbox init {terminal.host}"
    assert found["dockerd runs"]["verdict"] == "ok"
    assert found["folders"]["verdict"] == "not reached"

    terminal.devbox("init", terminal.host, "--yes")
    found = chain(terminal)
    for name in (
        "with our certificate",
        "without a certificate",
        "with a foreign certificate",
        "in plain HTTP",
    ):
        assert found[name]["verdict"] == "ok", found[name]
    assert found["broken"] is None

    with (terminal.folder / "devbox.yaml").open("a") as config:
        config.write("services:\n  web: {command: run}\n")
    found = chain(terminal)
    assert (found["app image"]["verdict"], found["app image"]["fix"]) == ("warning", "devbox build")
    assert found["services"]["verdict"] == "skipped"
    assert "(devbox up)" in found["services"]["evidence"]

    host.sh("systemctl stop docker.socket docker.service")
    found = chain(terminal, code=1)
    assert found["broken"] == "dockerd runs"
    assert found["TLS"]["verdict"] == "not reached"


def test_folders_of_a_project_that_only_syncs(terminal: Terminal, away: str) -> None:
    text = f"name: shop\nhost: {terminal.host}\nsync:\n  - {{local: ., remote: {away}}}\n"
    (terminal.folder / "devbox.yaml").write_text(text)
    found = chain(terminal, code=1)
    assert found["broken"] == f"folder {away}"
    assert "not a folder" in found[f"folder {away}"]["evidence"]
    assert "dockerd" not in found
    (terminal.folder / "devbox.yaml").write_text(text.replace(away, "~/no/such/folder"))
    new = chain(terminal)["folder ~/no/such/folder"]
    assert (new["verdict"], new["fix"]) == ("warning", f"devbox sync, or devbox init {terminal.host}")
    (terminal.folder / "devbox.yaml").write_text(text.replace(away, "/srv/nowhere/shop"))
    missing = chain(terminal, code=1)["folder /srv/nowhere/shop"]
    assert "is missing" in missing["evidence"]
    assert "sudo install -d -o $USER /srv/nowhere/shop" in missing["fix"]
    (terminal.folder / "devbox.yaml").write_text(text.replace(away, "/usr/share/doc"))
    assert "owned by root" in chain(terminal, code=1)["folder /usr/share/doc"]["evidence"]
