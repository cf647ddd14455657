"""Which part of a context a Dockerfile copies: BuildKit names it, and the rest need not even be listed.

The names are those of COPY and ADD, wildcards included (BuildKit's `followpaths`; fsutil, followlinks.go).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from devbox.image.rules import BadPattern, Pattern, clean, compile_rules


@dataclass(frozen=True, slots=True)
class Followed:
    """For each path the patterns of all folders that lead to it, and at the end its own."""

    paths: tuple[tuple[Pattern, ...], ...]

    def needs(self, path: str) -> bool:
        """Whether it is copied, lies below what is copied, or leads there."""
        parts = path.split("/")
        return any(
            all(one.matches("/".join(parts[: depth + 1])) for depth, one in enumerate(lead[: len(parts)]))
            for lead in self.paths
        )

    def ends_at(self, path: str) -> bool:
        """Whether it is copied or leads there: where a link stands there, another place is meant."""
        depth = path.count("/") + 1
        return any(len(lead) >= depth and lead[depth - 1].matches(path) for lead in self.paths)


def followed(paths: Sequence[str]) -> Followed | None:
    """What is needed for these paths; None when that is everything, or cannot be told."""
    found = []
    for path in paths:
        lead = _lead(clean(f"/{path}")[1:])
        if lead is None:
            return None
        found.append(lead)
    return Followed(tuple(found)) if found else None


def _lead(path: str) -> tuple[Pattern, ...] | None:
    """The patterns on the way; None for the whole context, and for names that our patterns cannot say."""
    parts = path.split("/")
    if not path or path.startswith("!") or path != path.strip():
        return None
    try:
        rules = [compile_rules(["/".join(parts[: depth + 1])]) for depth in range(len(parts))]
    except BadPattern:
        return None
    return tuple(one.patterns[0] for one in rules)
