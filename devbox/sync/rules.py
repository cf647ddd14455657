"""Ignore rules as git reads them (gitignore(5), wildmatch with WM_PATHNAME). Pure, over bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_CLASSES = {
    b"alnum": rb"0-9A-Za-z",
    b"alpha": rb"A-Za-z",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": rb"0-9",
    b"graph": rb"!-~",
    b"lower": rb"a-z",
    b"print": rb" -~",
    b"punct": rb"!-/:-@\[-`{-~",
    b"space": rb" \t-\r",
    b"upper": rb"A-Z",
    b"xdigit": rb"0-9A-Fa-f",
}
_NEVER = rb"(?!)"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line. `regex` is for the name, or for the path below the file's folder when `anchored`."""

    text: bytes
    negated: bool
    directories_only: bool
    anchored: bool
    regex: re.Pattern[bytes]


@dataclass(frozen=True, slots=True)
class RuleFile:
    """The rules of one file, valid below `base` (b"" or a folder's path with a slash behind)."""

    base: bytes
    rules: tuple[Rule, ...]
    _names: re.Pattern[bytes] = field(init=False, repr=False, compare=False)
    _paths: re.Pattern[bytes] = field(init=False, repr=False, compare=False)
    """All rules for names, and all for paths, as one: most paths are mentioned by none."""

    def __post_init__(self) -> None:
        for where, anchored in (("_names", False), ("_paths", True)):
            patterns = [rule.regex.pattern for rule in self.rules if rule.anchored is anchored]
            joined = b"|".join(b"(?:%s)" % pattern for pattern in patterns) or _NEVER
            object.__setattr__(self, where, re.compile(joined, re.DOTALL))

    @property
    def about_paths(self) -> bool:
        """Whether any rule is about more than a name."""
        return any(rule.anchored for rule in self.rules)

    def mentions(self, below: bytes, name: bytes) -> bool:
        """Whether any rule is about that name, or about that path below the file's folder."""
        return bool(self._names.fullmatch(name) or self._paths.fullmatch(below))

    def verdict(self, path: bytes, is_directory: bool) -> bool | None:
        """Ignored, taken back in (False), or not mentioned. The last rule that matches counts."""
        if not path.startswith(self.base):
            return None
        below = path[len(self.base) :]
        name = below.rpartition(b"/")[2]
        if not self.mentions(below, name):
            return None
        for rule in reversed(self.rules):
            if rule.directories_only and not is_directory:
                continue
            if rule.regex.fullmatch(below if rule.anchored else name):
                return not rule.negated
        return None


def any_name(files: Iterable[RuleFile]) -> re.Pattern[bytes]:
    """All the rules for names in these files as one; what it does not match, none of them is about."""
    patterns = [rule.regex.pattern for file in files for rule in file.rules if not rule.anchored]
    return re.compile(b"|".join(b"(?:%s)" % one for one in patterns) or _NEVER, re.DOTALL)


def parse(text: bytes, base: bytes = b"") -> RuleFile:
    """The rules of an ignore file's text."""
    lines = text.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    rules = (rule_of(line.removesuffix(b"\r")) for line in lines)
    return RuleFile(base, tuple(rule for rule in rules if rule))


def ignored(path: bytes, is_directory: bool, layers: Iterable[RuleFile]) -> bool:
    """Whether this path itself is ignored; `layers` come strongest first. Its parents are asked before it."""
    for layer in layers:
        verdict = layer.verdict(path, is_directory)
        if verdict is not None:
            return verdict
    return False


def rule_of(line: bytes) -> Rule | None:
    """One line as a rule; `None` for blanks and comments."""
    text = _without_trailing_spaces(line)
    if not text or text.startswith(b"#"):
        return None
    negated = text.startswith(b"!")
    pattern = text[1:] if negated else text
    directories_only = pattern.endswith(b"/")
    if directories_only:
        pattern = pattern[:-1]
    anchored = b"/" in pattern
    pattern = pattern.removeprefix(b"/") if anchored else pattern
    if not pattern:
        return None
    try:
        regex = re.compile(translate(pattern, anchored), re.DOTALL)
    except re.error:
        regex = re.compile(_NEVER)
    return Rule(text, negated, directories_only, anchored, regex)


def _without_trailing_spaces(line: bytes) -> bytes:
    end, at = 0, 0
    while at < len(line):
        if line[at : at + 1] == b"\\":
            at = end = min(at + 2, len(line))
            continue
        at += 1
        if line[at - 1 : at] != b" ":
            end = at
    return line[:end]


def translate(pattern: bytes, pathname: bool) -> bytes:
    """A wildmatch pattern as a regular expression; `pathname`: `*`, `?` and `[]` stop at slashes."""
    out, at = b"", 0
    while at < len(pattern):
        char = pattern[at : at + 1]
        if char == b"*":
            piece, at = _stars(pattern, at, pathname)
        elif char == b"?":
            piece, at = (b"[^/]" if pathname else b"."), at + 1
        elif char == b"[":
            piece, at = _bracket(pattern, at, pathname)
        elif char == b"\\":
            if at + 1 == len(pattern):
                return _NEVER
            piece, at = re.escape(pattern[at + 1 : at + 2]), at + 2
        else:
            piece, at = re.escape(char), at + 1
        out += piece
    return out


def _stars(pattern: bytes, at: int, pathname: bool) -> tuple[bytes, int]:
    end = at
    while pattern[end : end + 1] == b"*":
        end += 1
    if not pathname:
        return b".*", end
    starts = at == 0 or pattern[at - 1 : at] == b"/"
    rest = pattern[end:]
    if end - at < 2 or not starts or not (rest == b"" or rest.startswith((b"/", b"\\/"))):
        return b"[^/]*", end
    if rest.startswith(b"/"):  # a/**/b: any number of folders, none included
        return b"(?:.*/)?", end + 1
    return b".*", end


def _bracket(pattern: bytes, at: int, pathname: bool) -> tuple[bytes, int]:
    """A bracket expression; one without an end matches nothing, as in wildmatch."""
    at += 1
    negated = pattern[at : at + 1] in (b"!", b"^") and at < len(pattern)
    at += negated
    inside, first = b"", True
    while True:
        char = pattern[at : at + 1]
        if not char:
            return _NEVER, len(pattern)
        if char == b"]" and not first:
            break
        piece, at = _member(pattern, at)
        if piece is None:
            return _NEVER, len(pattern)
        inside, first = inside + piece, False
    slash = b"(?!/)" if pathname else b""
    if not inside:
        return (slash + b"." if negated else _NEVER), at + 1
    return slash + (b"[^" if negated else b"[") + inside + b"]", at + 1


def _member(pattern: bytes, at: int) -> tuple[bytes | None, int]:
    """One member of a bracket expression: a named class, a range, or a byte."""
    if pattern[at : at + 2] == b"[:":
        end = pattern.find(b"]", at + 2)
        if end > 0 and pattern[end - 1 : end] == b":" and end - 1 > at + 1:
            return _CLASSES.get(pattern[at + 2 : end - 1]), end + 1
    low, at = _byte(pattern, at)
    if low is None:
        return None, at
    if pattern[at : at + 1] == b"-" and pattern[at + 1 : at + 2] not in (b"]", b""):
        high, end = _byte(pattern, at + 1)
        if high is None:
            return None, end
        # wildmatch compares with the low end before it sees the dash: it counts even in an inverted range.
        return _quoted(low) + (b"-" + _quoted(high) if low <= high else b""), end
    return _quoted(low), at


def _byte(pattern: bytes, at: int) -> tuple[int | None, int]:
    if pattern[at : at + 1] == b"\\":
        at += 1
    if at >= len(pattern):
        return None, at
    return pattern[at], at + 1


def _quoted(byte: int) -> bytes:
    return b"\\x%02x" % byte
