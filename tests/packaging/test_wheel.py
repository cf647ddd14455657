"""The wheel carries everything: installed into a fresh venv outside the checkout, every template compiles."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.wheels import TOP, wheel_in

# Parses every template that the installed package finds: a template that does not compile fails here.
COMPILE_ALL = """
import sys
from pathlib import Path
import devbox
from devbox.rendering import templates_dir, environment
inside = Path(devbox.__file__).parent
assert templates_dir() == inside / "templates", templates_dir()
names = sorted(str(p.relative_to(templates_dir())) for p in templates_dir().rglob("*") if p.is_file())
for name in names:
    if name.endswith(".j2"):
        environment(escape=False).get_template(name)
print(len(names))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A python whose environment has the built wheel and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = wheel_in(folder)
    # The dependencies are those of the running environment: this test is about what the wheel holds.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    site = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "-q", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    import yaml

    (Path(site) / "dependencies.pth").write_text(str(Path(yaml.__file__).parents[1]) + "\n")
    return python


def _run(python: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [str(python), *words], cwd=python.parent, env=env, capture_output=True, text=True, check=False
    )


def test_every_template_ships_and_compiles(installed: Path) -> None:
    done = _run(installed, "-c", COMPILE_ALL)
    assert done.returncode == 0, done.stderr
    shipped = int(done.stdout)
    assert shipped == sum(1 for path in (TOP / "templates").rglob("*") if path.is_file())
    assert shipped > 0


def test_the_console_script_answers(installed: Path) -> None:
    script = installed.parent / "devbox"
    done = _run(installed, str(script), "--version")
    assert done.stdout.startswith("devbox "), done.stderr
    shown = _run(installed, str(script), "config", "schema")
    assert '"title": "devbox.yaml"' in shown.stdout, shown.stderr
