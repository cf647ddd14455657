"""Ignore rules of a build context, as the Docker CLI and BuildKit apply them. Pure.

The grammar is that of github.com/moby/patternmatcher (`ignorefile.ReadAll`, `New`,
`MatchesUsingParentResults`) and of Go's path/filepath (`Clean`, `Match`), written anew from their documented
and observed behaviour; tests/image compares with what the real CLI sends.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

_SPECIAL = frozenset(".+()|{}$")
_CLASSES = frozenset("dDsSwWbBAnrtfva")


class BadPattern(ValueError):
    """A pattern Go's filepath.Match would not take; `args[0]` is the pattern."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One rule; `negated` brings back what earlier ones took."""

    text: str
    negated: bool
    expression: re.Pattern[str]

    def matches(self, path: str) -> bool:
        return self.expression.search(path) is not None


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of an ignore file, in order: the last that matches a path (or a folder above it) decides."""

    patterns: tuple[Pattern, ...]

    @property
    def negations(self) -> bool:
        return any(pattern.negated for pattern in self.patterns)

    def check(self, path: str, parent: Sequence[bool] = ()) -> tuple[bool, tuple[bool, ...]]:
        """Whether `path` is left out, and which patterns match it; `parent` is the latter of its folder."""
        left_out = False
        matched = []
        for index, pattern in enumerate(self.patterns):
            hit = bool(parent) and parent[index]
            if not hit and pattern.negated == left_out:
                hit = pattern.matches(path)
            matched.append(hit)
            if hit:
                left_out = not pattern.negated
        return left_out, tuple(matched)

    def ignores(self, path: str) -> bool:
        """Whether `path` is left out, asked without walking there."""
        matched: tuple[bool, ...] = ()
        left_out = False
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            left_out, matched = self.check("/".join(parts[:depth]), matched)
        return left_out

    def may_bring_back(self, folder: str) -> bool:
        """Whether something below a left out folder can come back: then it must be walked."""
        return any(
            pattern.negated and f"{pattern.text}/".startswith(f"{folder}/") for pattern in self.patterns
        )


def read(text: str) -> list[str]:
    """The patterns of an ignore file: comments and blank lines gone, paths cleaned."""
    found = []
    for number, line in enumerate(text.split("\n")):
        if number == 0:
            line = line.removeprefix("\ufeff")
        line = line.removesuffix("\r")
        if line.startswith("#") or not line.strip():
            continue
        line = line.strip()
        negated = line.startswith("!")
        if negated:
            line = line[1:].strip()
        if line:
            line = clean(line)
            line = line[1:] if len(line) > 1 and line[0] == "/" else line
        found.append("!" + line if negated else line)
    return found


def compile_rules(patterns: Sequence[str]) -> Rules:
    """Rules out of patterns; `BadPattern` for what the CLI refuses."""
    return Rules(tuple(_pattern(text.strip()) for text in patterns if text.strip()))


def keep(patterns: Sequence[str], paths: Sequence[str]) -> list[str]:
    """The patterns, and those of `paths` that they would leave out brought back (the Dockerfile itself)."""
    rules = compile_rules(patterns)
    return [*patterns, *(f"!{path}" for path in paths if rules.ignores(path))]


def clean(path: str) -> str:
    """Go's filepath.Clean."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def _pattern(text: str) -> Pattern:
    text = clean(text)
    negated = text.startswith("!")
    if negated:
        text = text[1:]
        if not text:
            raise BadPattern("!")
    if not _well_formed(text):
        raise BadPattern(text)
    try:
        return Pattern(text, negated, re.compile(_expression(text), re.ASCII | re.DOTALL))
    except re.error as error:
        raise BadPattern(text) from error


def _expression(text: str) -> str:
    """The regular expression of a pattern: `**` any folders, `*` and `?` within one name, [classes]."""
    if _plain(text):
        return rf"\A{re.escape(text)}\Z"
    if text.startswith("**") and _plain(text[2:]):
        return _suffix(text[2:])
    if text.endswith("**") and _plain(text[:-2]):
        return rf"\A{re.escape(text[:-2])}"
    out, at = "^", 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "*" and text[at : at + 1] == "*":
            at += 1
            if text[at : at + 1] == "/":
                at += 1
            if at >= len(text):
                return out + ".*"
            out += "(.*/)?"
        elif char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "\\" and at < len(text):
            out += _escaped(text[at])
            at += 1
        elif char in "[]":
            out += char
        else:
            out += "\\" + char if char in _SPECIAL or char == "\\" else char
    return out + r"\Z"


def _plain(rest: str) -> bool:
    """Whether nothing in it is special: then it is compared, not matched (a `^` is just that)."""
    return not any(char in rest for char in "*?[]\\")


def _suffix(rest: str) -> str:
    if rest.startswith("/"):
        return rf"(?:^|/){re.escape(rest[1:])}\Z" if rest != "/" else ""
    return re.escape(rest) + r"\Z"


def _escaped(char: str) -> str:
    """A backslash and `char`: a letter is a class of Go's regular expressions, the rest stands for itself."""
    if char.isalnum() and char.isascii() and char not in _CLASSES:
        raise BadPattern(f"\\{char}")
    return "\\" + char if char.isascii() else char


def _well_formed(text: str) -> bool:
    """Whether Go's filepath.Match takes the pattern: whole classes and ranges, no backslash at the end."""
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "\\":
            if at >= len(text):
                return False
            at += 1
        elif char == "[":
            end = _class_end(text, at)
            if end < 0:
                return False
            at = end
    return True


def _class_end(text: str, at: int) -> int:
    """The index after the `]` of a class that starts before `at`; -1 when it is malformed."""
    if text[at : at + 1] == "^":
        at += 1
    ranges = 0
    while True:
        if text[at : at + 1] == "]" and ranges:
            return at + 1
        at = _class_member(text, at)
        if at > 0 and text[at : at + 1] == "-":
            at = _class_member(text, at + 1)
        if at < 0:
            return -1
        ranges += 1


def _class_member(text: str, at: int) -> int:
    """The index after one character of a class; -1 when none may stand there."""
    if at >= len(text) or text[at] in "-]":
        return -1
    if text[at] == "\\":
        at += 1
    at += 1
    return at if at < len(text) else -1
