"""Where the real files are that the grammar was derived from. They are not in this repository."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

VARIABLE = "DEVBOX_PYCHARM_SAMPLES"


def folder() -> Path | None:
    """The folder named by the variable, else `shared/pycharm-samples` beside a folder above this one."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    above = Path(__file__).resolve().parents
    return next((path for one in above if (path := one / "shared" / "pycharm-samples").is_dir()), None)


def kind_of(name: str) -> str:
    """deployment-1.xml -> deployment, run-docker-image-2.xml -> run."""
    kind = re.sub(r"-\d+\.xml\Z", "", name)
    return "run" if kind.startswith("run-") else kind


def load() -> dict[str, bytes]:
    """All samples by name; skips the test where they are not."""
    found = folder()
    if found is None:
        pytest.skip(f"the samples are not here (set {VARIABLE} to their folder)")
    return {path.name: path.read_bytes() for path in sorted(found.glob("*.xml"))}
