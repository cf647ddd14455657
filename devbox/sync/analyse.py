"""What a person should be told about a plan before it is carried out. Pure."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator

from devbox.ports.tree import Put
from devbox.sync.model import Plan, above, parent_of, printable

_GENERATED = frozenset(
    b"node_modules .venv venv env __pycache__ .tox .nox .mypy_cache .pytest_cache .ruff_cache target dist "
    b"build .gradle .next .cache site-packages coverage htmlcov .terraform bower_components".split()
)
MANY_FILES = 2_000
MANY_BYTES = 100_000_000


def hints(plan: Plan) -> Iterator[str]:
    """A word on every huge folder that looks generated and is about to be sent."""
    files: dict[bytes, int] = defaultdict(int)
    size: dict[bytes, int] = defaultdict(int)
    known: dict[bytes, bytes | None] = {}
    for one in plan.operations:
        if isinstance(one, Put):
            parent = parent_of(one.path)
            if parent not in known:
                known[parent] = _generated(parent)
            if folder := known[parent]:
                files[folder] += 1
                size[folder] += one.size
    for folder, count in sorted(files.items()):
        if count >= MANY_FILES or size[folder] >= MANY_BYTES:
            shown = printable(folder)
            yield (
                f"{shown} looks generated and holds {count} files, {size[folder] / 1e6:.0f} MB:"
                f" if the host makes its own, add a line {shown}/ to .devboxignore"
            )


def _generated(folder: bytes) -> bytes | None:
    """The highest folder among it and those above it that usually is generated."""
    return next((one for one in (*above(folder), folder) if one.rpartition(b"/")[2] in _GENERATED), None)


def twins(paths: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Pairs of paths that are one on systems which fold case or compose accents (macOS, Windows)."""
    seen: dict[str, bytes] = {}
    for path in sorted(paths):
        key = path.decode(errors="surrogateescape")
        key = (key if key.isascii() else unicodedata.normalize("NFC", key)).casefold()
        other = seen.setdefault(key, path)
        if other != path:
            yield printable(other), printable(path)
