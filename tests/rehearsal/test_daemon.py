"""Our own daemon is found by its process, not by what a pid file says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rehearsal import daemon, places


def test_a_pid_file_whose_number_is_another_program_by_now_is_nobody(tmp_path: Path) -> None:
    pid_file = tmp_path / "dockerd.pid"
    pid_file.write_text(str(os.getpid()))
    assert daemon.owner(pid_file, "dockerd") is None


@pytest.mark.parametrize("content", ["", "no number", "999999999"])
def test_a_stale_or_broken_pid_file_is_nobody(tmp_path: Path, content: str) -> None:
    pid_file = tmp_path / "dockerd.pid"
    pid_file.write_text(content)
    assert daemon.owner(pid_file, "dockerd") is None
    assert daemon.owner(tmp_path / "absent.pid", "dockerd") is None


@pytest.mark.usefixtures("run_by_root")
def test_ours_is_known_by_its_folder_and_ended(tmp_path: Path) -> None:
    program = tmp_path / "dockerd"
    program.symlink_to(sys.executable)
    words = [str(program), "-c", "print(flush=True); input()", f"{places.RUN}/docker"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # its command line can be read once it runs, not before
        pid_file = tmp_path / "dockerd.pid"
        pid_file.write_text(str(process.pid))
        assert daemon.owner(pid_file, "dockerd") == process.pid
        daemon.end(process.pid)
        assert process.wait(10) < 0


def test_without_root_and_without_sudo_it_says_so(tmp_path: Path) -> None:
    drop = "os.geteuid() or os.setuid(65534)"
    code = f"import os; from tests.rehearsal.places import as_root; {drop}; as_root(['true'])"
    env = {
        "PATH": str(tmp_path),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, cwd="/")
    assert "rehearsal hosts need root, and sudo is not installed" in done.stderr
