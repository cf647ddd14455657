"""The command line itself: exit codes, JSON, errors, late imports. Each test runs the real program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devbox.cli import commands

TOP = Path(__file__).resolve().parents[2]


def devbox(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """`devbox WORDS`, with state and config kept in `cwd`."""
    own = {
        "PYTHONPATH": str(TOP),
        "XDG_STATE_HOME": str(cwd / "state"),
        "XDG_CONFIG_HOME": str(cwd / "config"),
    }
    return subprocess.run(
        [sys.executable, "-m", "devbox", *words],
        cwd=cwd,
        env={**os.environ, **own, **env},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def test_version_and_help(tmp_path: Path) -> None:
    assert devbox("--version", cwd=tmp_path).stdout.startswith("devbox ")
    shown = devbox("--help", cwd=tmp_path).stdout
    assert all(f"  {name} " in shown for name in commands.names())


@pytest.mark.parametrize("name", commands.names())
def test_every_command_of_the_table_explains_itself(name: str, tmp_path: Path) -> None:
    done = devbox(name, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"devbox {name}" in done.stdout


def test_help_loads_no_sdk(tmp_path: Path) -> None:
    heavy = "{'paramiko', 'docker', 'yaml', 'jinja2', 'cryptography', 'rich', 'sqlite3'}"
    code = f"import sys, atexit; atexit.register(lambda: print({heavy} & set(sys.modules)))\n"
    code += "sys.argv = ['devbox', '--help']; from devbox.__main__ import main; main()"
    env = {**os.environ, "PYTHONPATH": str(TOP)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=env)
    assert done.stdout.rstrip().endswith("set()")


def test_usage_errors_end_with_2(tmp_path: Path) -> None:
    misspelt = devbox("confg", cwd=tmp_path)
    assert misspelt.returncode == 2
    assert "Did you mean 'config'?" in misspelt.stderr
    assert "Did you mean" not in devbox("frobnicate", cwd=tmp_path).stderr
    assert devbox("config", "show", "--nope", cwd=tmp_path).returncode == 2
    assert devbox("-C", "/does/not/exist", "config", "show", cwd=tmp_path).returncode == 2


def test_a_stated_failure_says_what_where_and_next(tmp_path: Path) -> None:
    done = devbox("config", "show", cwd=tmp_path)
    assert done.returncode == 1
    assert f"error: {tmp_path}: no devbox.yaml here" in done.stderr
    assert "next: devbox init" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_stated_failure_is_one_json_document(tmp_path: Path) -> None:
    for words in (("--json", "config", "show"), ("config", "show", "--json")):
        done = devbox(*words, cwd=tmp_path)
        assert json.loads(done.stdout)["error"]["type"] == "ConfigError"
        assert done.stderr == ""


def test_unknown_keys_are_refused_by_name_and_line(tmp_path: Path) -> None:
    (tmp_path / "devbox.yaml").write_text("name: a\nhots: b\n")
    done = devbox("config", "show", cwd=tmp_path)
    assert done.returncode == 1
    assert "devbox.yaml:2: hots is not a key devbox knows; did you mean host?" in done.stderr


def test_global_options_choose_folder_file_and_host(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "devbox.yaml").write_text("name: a\nhost: one\n")
    (project / "other.yaml").write_text("name: b\n")
    show = ("config", "show", "--json")
    assert json.loads(devbox(*show, "-C", "project", cwd=tmp_path).stdout)["host"] == "one"
    assert json.loads(devbox("-C", "project", *show, "--host", "two", cwd=tmp_path).stdout)["host"] == "two"
    assert json.loads(devbox(*show, "--config", "project/other.yaml", cwd=tmp_path).stdout)["name"] == "b"


def test_a_defect_ends_with_3_and_a_log(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['devbox', 'config', 'show']\n"
        "import devbox.cli.options as o\n"
        "def broken(self): raise ZeroDivisionError('oh')\n"
        "o.Options.load = broken\n"
        "from devbox.__main__ import main; main()"
    )
    env = {**os.environ, "PYTHONPATH": str(TOP), "XDG_STATE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=env)
    assert done.returncode == 3
    assert "a defect of devbox: ZeroDivisionError: oh" in done.stderr
    assert "Traceback" in (tmp_path / "devbox" / "devbox.log").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_command_ends_with_130(number: signal.Signals, tmp_path: Path) -> None:
    code = (
        "import sys, time; sys.argv = ['devbox', 'config', 'show']\n"
        "import devbox.cli.options as o\n"
        "def slow(self): print('ready', flush=True); time.sleep(60)\n"
        "o.Options.load = slow\n"
        "from devbox.__main__ import main; main()"
    )
    env = {**os.environ, "PYTHONPATH": str(TOP)}
    running = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env)
    assert running.stdout is not None
    with running:
        assert running.stdout.readline() == "ready\n"
        running.send_signal(number)
        assert running.wait(30) == 130


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_offered_for(shell: str, tmp_path: Path) -> None:
    done = devbox("--show-completion", shell, cwd=tmp_path, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.returncode == 0, done.stderr
    assert "_DEVBOX_COMPLETE" in done.stdout


def complete(cwd: Path, typed: str, **env: str) -> list[str]:
    """What Tab offers in bash after these words."""
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" ")), "_TYPER_COMPLETE_ARGS": typed}
    return devbox(cwd=cwd, _DEVBOX_COMPLETE="complete_bash", **words, **env).stdout.split()


def test_completion_knows_the_commands(tmp_path: Path) -> None:
    assert complete(tmp_path, "devbox con") == ["config"]


def test_completion_knows_this_projects_services(tmp_path: Path) -> None:
    (tmp_path / "devbox.yaml").write_text(
        "name: x\nhost: box\nservices: {web: {command: a}, worker: {command: b}, db: {image: c}}\n"
    )
    assert complete(tmp_path, "devbox exec w") == ["web", "worker"]
    assert complete(tmp_path, "devbox up web d") == ["db"]
    assert complete(Path("/"), f"devbox -C {tmp_path} shell d") == ["db"]
    (tmp_path / "devbox.yaml").write_text("broken: [")
    assert complete(tmp_path, "devbox logs w") == []


def test_completion_knows_the_hosts_of_the_ssh_config(tmp_path: Path) -> None:
    (tmp_path / "more").write_text("Host=build-2\n  User x\n")
    (tmp_path / "config").write_text(
        f'Include {tmp_path}/mo*\nhost build "build-1" !not\n  HostName 10.0.0.1\nHost *.lan\nHost other\n'
    )
    env = {"DEVBOX_SSH_CONFIG": str(tmp_path / "config")}
    assert complete(tmp_path, "devbox init b", **env) == ["build-2", "build", "build-1"]
    assert complete(tmp_path, "devbox init dev@o", **env) == ["dev@other"]
    assert complete(tmp_path, "devbox --host o", **env) == ["other"]
    assert complete(tmp_path, "devbox sync --host o", **env) == ["other"]


def test_completion_knows_the_shops_faults_and_edges(tmp_path: Path) -> None:
    assert "delay" in complete(tmp_path, "devbox workload faults on de")
    assert complete(tmp_path, "devbox workload road order:u") == ["order:user"]
