"""`devbox build` where no daemon is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.image.conftest import TOP, Done


def devbox(folder: Path, *words: str) -> Done:
    done = subprocess.run(
        [sys.executable, "-m", "devbox", "-C", str(folder), *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TOP)},
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "devbox.yaml").write_text("name: shown\nhost: nowhere\n")
    (tmp_path / "Dockerfile.dev").write_text("FROM scratch\n")
    return tmp_path


def test_show_context_lists_sizes_and_the_five_largest(folder: Path) -> None:
    for size in range(1, 8):
        (folder / f"f{size}").write_bytes(b"x" * size * 1000)
    (folder / ".dockerignore").write_text("f7")
    data = devbox(folder, "build", "--show-context", "--json").json
    assert [entry["path"] for entry in data["largest"]] == ["f6", "f5", "f4", "f3", "f2"]
    assert data["bytes"] == sum(entry["bytes"] for entry in data["entries"])
    assert "f7" not in {entry["path"] for entry in data["entries"]}
    text = devbox(folder, "build", "--show-context").out
    assert "6.0 kB  f6" in text


def test_a_context_over_100_MB_is_warned_about(folder: Path) -> None:
    with (folder / "model.bin").open("wb") as sparse:
        sparse.truncate(100_000_001)
    done = devbox(folder, "build", "--show-context")
    assert "warning: the build context is 100.0 MB" in done.err


def test_no_dockerfile_names_the_way_out(folder: Path) -> None:
    (folder / "Dockerfile.dev").unlink()
    done = devbox(folder, "build", "--show-context")
    assert done.code == 1
    assert "there is no Dockerfile.dev and no Dockerfile" in done.err
    assert "next: " in done.err


def test_a_plain_dockerfile_serves_too(folder: Path) -> None:
    (folder / "Dockerfile.dev").rename(folder / "Dockerfile")
    assert devbox(folder, "build", "--show-context").code == 0


def test_build_arg_without_a_value_is_a_usage_error(folder: Path) -> None:
    done = devbox(folder, "build", "--build-arg", "NAME")
    assert done.code == 2
    assert "NAME=VALUE" in done.err


def test_a_daemon_that_was_never_set_up_leads_to_init(folder: Path, tmp_path: Path) -> None:
    done = devbox(folder, "--host", "127.0.0.1", "build")
    assert done.code == 1
    assert "no client certificate for 127.0.0.1" in done.err
    assert "next: devbox init" in done.err
