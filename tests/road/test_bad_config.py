"""A broken devbox.yaml, by the real command line: every command says the same words, with the line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
START = "name: shop\nhost: dev@127.0.10.254\n"
BROKEN = {
    "bad YAML": ("services: {web: [", 3, "YAML"),
    "unknown key": ("servces: {}\n", 3, "services"),
    "unknown key inside": ("docker:\n  endpiont: tls\n", 4, "endpoint"),
    "wrong type": ("docker: {port: many}\n", 3, "port"),
    "local path outside": ("sync:\n  - {local: ../other}\n", 4, "outside"),
    "context outside": ("build: {context: ../..}\n", 3, "outside"),
}


def devbox(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "devbox", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TOP), "XDG_STATE_HOME": str(folder / "state")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_said_with_its_line(name: str, tmp_path: Path) -> None:
    text, line, words = BROKEN[name]
    (tmp_path / "devbox.yaml").write_text(START + text)
    for command in (["doctor"], ["sync"]):
        done = devbox(tmp_path, *command)
        assert done.returncode == 1, (command, done.stdout, done.stderr)
        assert f"devbox.yaml:{line}" in done.stderr, done.stderr
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert {one.name for one in tmp_path.iterdir()} <= {"devbox.yaml", "state"}


@pytest.mark.parametrize("command", ["build", "up", "ps", "pycharm", "init"])
def test_no_command_goes_on_with_it(command: str, tmp_path: Path) -> None:
    (tmp_path / "devbox.yaml").write_text(START + "servces: {}\n")
    done = devbox(tmp_path, command)
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert "devbox.yaml:3" in done.stderr
    assert "services" in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "devbox.yaml"]
