"""devbox on every CPython from 3.10 to 3.13 that this machine has: the wheel in a fresh environment; tests.

What runs there touches no host; versions differ in the language and its library, not in a host.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.wheels import TOP, wheel_in

# Tests that need nothing but Python: values, rules, certificates, the door, the recorder, merging.
QUICK = (
    "tests/config",
    "tests/cli/test_door.py",
    "tests/host/test_plan.py",
    "tests/host/test_pki.py",
    "tests/services/test_plan.py",
    "tests/image/test_scaffold.py",
    "tests/pycharm/test_merge.py",
    "tests/pycharm/test_rules.py",
    "tests/sync/test_rules.py",
    "tests/tracer/test_functions.py",
    "tests/tracer/test_propagation.py",
    "tests/tracer/test_record.py",
    "tests/tracer/test_spool.py",
)
ALSO = ("pytest", "pytest-timeout", "hypothesis", "jsonschema")


def _pythons(version: str) -> list[Path]:
    """Where a CPython of that version may be: on the path, and where pyenv puts them."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    on_path = shutil.which(f"python{version}")
    found = [Path(on_path)] if on_path else []
    return found + sorted(pyenv.glob(f"{version}.*/bin/python{version}"))


def _usable(python: Path, version: str) -> bool:
    """Whether it answers with that version and can make environments (a shim of pyenv's may do neither)."""
    ask = "import sys, venv, ensurepip; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"
    done = subprocess.run([str(python), "-c", ask], capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.split() == ["cpython", version]


def _run(*words: str | Path, cwd: Path) -> str:
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=560,
    )
    assert done.returncode == 0, f"{words[:4]}: {done.stdout[-3000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_the_wheel_passes_on(version: str, tmp_path: Path) -> None:
    if "%d.%d" % sys.version_info[:2] == version:  # noqa: UP031 - the form that versions have
        assert _usable(Path(sys.executable), version), (
            "the other tests of this run are the proof for this one"
        )
        return
    usable = [python for python in _pythons(version) if _usable(python, version)]
    if not usable:
        pytest.skip(f"this machine has no CPython {version}")
    _run(usable[0], "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    _run(python, "-m", "pip", "install", "-q", wheel_in(tmp_path), *ALSO, cwd=tmp_path)
    assert _run(python, "-m", "devbox", "--version", cwd=tmp_path).startswith("devbox ")
    # The tests run in a copy of the checkout, which lies before the installed wheel on the path.
    desk = tmp_path / "desk"
    for name in ("devbox", "templates", "tests"):
        shutil.copytree(TOP / name, desk / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "devbox.yaml", "Dockerfile.dev"):
        shutil.copy(TOP / name, desk / name)
    said = _run(python, "-m", "pytest", "-q", "-m", "not host and not browser", *QUICK, cwd=desk)
    print(version, said.splitlines()[-1])
    assert " passed" in said.splitlines()[-1]
