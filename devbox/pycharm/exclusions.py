"""Ignore rules (.gitignore's syntax) in the forms that PyCharm has for what is not uploaded. Pure.

PyCharm knows two: name patterns for any depth, with `*` and `?` only ("Exclude items by name" in its
deployment options, with semicolons between; a folder goes with its content), and single paths. It has
no exceptions (`!`), no wildcards within paths, no character classes. What it cannot say is named, not dropped
silently: `devbox sync` follows it, PyCharm's own upload does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product

from devbox.pycharm.model import Excluded

IDE_DEFAULT_EXCLUDED = (".svn", ".cvs", ".idea", ".DS_Store", ".git", ".hg", "*.hprof", "*.pyc")
"""What the IDE itself leaves out as long as nothing else is said."""

_WILD = re.compile(r"[*?\[]")
_CLASS = re.compile(r"\[([^\]!^*?[-][^\]*?[-]*)\]")
_EVERYTHING = re.compile(r"[*/]*")
_DOTS = frozenset({".", ".."})
_MOST_NAMES = 8


@dataclass(frozen=True, slots=True)
class Rules:
    """The lines of one rule file; `base` is its folder below the project, "" for the top."""

    base: str
    lines: tuple[str, ...]


@dataclass(slots=True)
class _Said:
    """What was collected so far; dictionaries keep the order and forget the second of two."""

    names: dict[str, None] = field(default_factory=lambda: dict.fromkeys(IDE_DEFAULT_EXCLUDED))
    folders: dict[str, None] = field(default_factory=dict)
    unsaid: dict[str, None] = field(default_factory=dict)


def excluded(sources: Iterable[Rules]) -> Excluded:
    """The exclusions that say most of these rules, and the rules that they cannot say.

    An exception that takes back a whole rule does so; any other is left to sync: leaving out too much from
    PyCharm's upload does less harm than uploading what was ignored on purpose.
    """
    said = _Said()
    for source in sources:
        for line in source.lines:
            _say(line, source.base, said)
    return Excluded(tuple(said.names), tuple(said.folders), tuple(said.unsaid))


def _say(line: str, base: str, said: _Said) -> None:
    text = line.rstrip()
    if not text or text.startswith("#"):
        return
    negated = text.startswith("!")
    forms = list(_forms(text.removeprefix("!"), base))
    if not forms:
        said.unsaid[text] = None
    for collected, form in ((said.folders if is_path else said.names, form) for is_path, form in forms):
        if not negated:
            collected[form] = None
        elif form in collected:
            del collected[form]
        else:
            said.unsaid[text] = None


def _forms(rule: str, base: str) -> Iterator[tuple[bool, str]]:
    """(whether it is a path, the path or name pattern); nothing when PyCharm cannot say it."""
    if ";" in rule or "\\" in rule or "//" in rule or _EVERYTHING.fullmatch(rule):
        return
    plain = rule.removesuffix("/")
    name = plain.removeprefix("**/")
    if "/" not in name:
        if not base:
            yield from ((False, one) for one in _expanded(name))
        return
    path = plain.removesuffix("/**").removeprefix("/")
    if not _WILD.search(path) and not _DOTS.intersection(path.split("/")):
        yield True, f"{base}/{path}" if base else path


def _expanded(name: str) -> list[str]:
    """`*.py[co]` as `*.pyc` and `*.pyo`; nothing where that is not possible or would be many."""
    pieces = _CLASS.split(name)
    letters = [tuple(piece) if at % 2 else (piece,) for at, piece in enumerate(pieces)]
    names = ["".join(one) for one in product(*letters)]
    return [] if "[" in "".join(pieces[::2]) or len(names) > _MOST_NAMES else names
