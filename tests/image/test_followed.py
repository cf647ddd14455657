"""What of a context is needed for the paths that a Dockerfile copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from devbox.image.context import local_context
from devbox.image.followed import followed

FILES = ("requirements.txt", "requirements-dev.txt", "src/app/main.py", "src/app/data/x.bin", "src/lib/a.py")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (*FILES, "docs/big.md", "Dockerfile"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def listed(root: Path, *copied: str, excluded: tuple[str, ...] = ()) -> list[str]:
    context, _ = local_context(root, root / "Dockerfile")
    return [entry.path for entry in context.entries(excluded, copied)]


@pytest.mark.parametrize(
    ("copied", "needed"),
    [
        (["requirements.txt"], ["requirements.txt"]),
        (["requirements*.txt"], ["requirements-dev.txt", "requirements.txt"]),
        (["./src//app/../lib/"], ["src", "src/lib", "src/lib/a.py"]),
        (["src/*/main.py"], ["src", "src/app", "src/app/main.py", "src/lib"]),
        (["src/app/d?ta"], ["src", "src/app", "src/app/data", "src/app/data/x.bin"]),
        (["nothing/there", "Dockerfile"], ["Dockerfile"]),
    ],
)
def test_what_is_copied_and_what_leads_there(root: Path, copied: list[str], needed: list[str]) -> None:
    assert listed(root, *copied) == needed


@pytest.mark.parametrize("copied", ["", ".", "/", "src/..", "bad[pattern", "!bang", " space"])
def test_the_whole_context_and_names_that_cannot_be_told(root: Path, copied: str) -> None:
    assert followed([copied]) is None
    assert listed(root, copied) == listed(root)


def test_what_is_ignored_stays_away(root: Path) -> None:
    assert listed(root, "src", excluded=("src/app",)) == ["src", "src/lib", "src/lib/a.py"]


def test_where_a_link_leads_nobody_can_tell_from_its_name(root: Path) -> None:
    (root / "link").symlink_to("src/lib")
    assert listed(root, "link/a.py") == listed(root)
    assert listed(root, "li*") == listed(root)
    # Elsewhere, and below what is copied, a link is just a link.
    (root / "src/app/up").symlink_to("../lib")
    assert "docs" not in listed(root, "src")
    assert "src/app/up" in listed(root, "src")
