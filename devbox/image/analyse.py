"""What can be told about a context and a failed build without touching anything. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devbox.ports.build import ContextEntry, EntryKind

WARN_BYTES = 100_000_000
_LARGEST = 5
_POSITION = re.compile(r"^\[(?:(?P<stage>.+) )?(?P<index>\d+)/\d+\] (?P<text>.*)$", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_SYNTAX = re.compile(r"#\s*syntax\s*=\s*(\S+)")
_REMOTE = re.compile(r"ADD\b.*(?:://|git@)", re.IGNORECASE)
_FROM = re.compile(r"\bfrom=([^\s,]+)")
_COUNTED = ("FROM", "RUN", "COPY", "ADD", "WORKDIR")


@dataclass(frozen=True, slots=True)
class Summary:
    """How much a context is."""

    files: int
    total: int
    largest: tuple[ContextEntry, ...]

    @property
    def heavy(self) -> bool:
        return self.total > WARN_BYTES


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of a Dockerfile and the line it starts on (1 is the first)."""

    line: int
    text: str
    stage: str


def summary(entries: Sequence[ContextEntry]) -> Summary:
    """Files, bytes, and the five largest."""
    files = [entry for entry in entries if entry.kind is EntryKind.FILE]
    largest = sorted(files, key=lambda entry: (-entry.size, entry.path))[:_LARGEST]
    return Summary(len(files), sum(entry.size for entry in files), tuple(largest))


def instructions(dockerfile: str) -> list[Instruction]:
    """A Dockerfile's instructions, continuation lines joined; a here-document is part of its instruction."""
    found: list[Instruction] = []
    lines = dockerfile.split("\n")
    at, stages, stage = 0, 0, ""
    while at < len(lines):
        start, text = at, lines[at].strip()
        at += 1
        if not text or text.startswith("#"):
            continue
        while text.endswith("\\") and at < len(lines):
            more = lines[at].strip()
            at += 1
            text = text[:-1].rstrip() + " " + more if more and not more.startswith("#") else text
        for word in re.findall(r"<<-?[\"']?([A-Za-z_]\w*)[\"']?", text):
            while at < len(lines) and lines[at].strip() != word:
                at += 1
            at += 1
        if text.upper().startswith("FROM "):
            named = re.search(r"\s[aA][sS]\s+(\S+)$", text)
            stage = named[1] if named else f"stage-{stages}"
            stages += 1
        found.append(Instruction(start + 1, text, stage))
    return found


def bases(dockerfile: str, args: Mapping[str, str]) -> tuple[str, ...] | None:
    """The images that a Dockerfile begins with, its syntax's too; None when it takes things from elsewhere,
    or names images that cannot be told from here."""
    known: dict[str, str] = {}
    stages: set[str] = set()
    found = [named[1] for named in [_SYNTAX.match(dockerfile)] if named]
    for one in instructions(dockerfile):
        word, _, rest = one.text.partition(" ")
        if word.upper() == "ARG" and not stages:
            name, _, default = rest.strip().partition("=")
            known[name] = args.get(name, default.strip("\"'"))
        elif word.upper() == "FROM":
            names = [part for part in rest.split() if not part.startswith("--")]
            image = _VARIABLE.sub(lambda one: known.get(one[1] or one[2], "$"), names[0])
            found += [image] if image.lower() not in {*stages, "scratch"} else []
            stages.add(one.stage.lower())
        elif _REMOTE.match(one.text) or any(
            not source.isdigit() and source.lower() not in stages for source in _FROM.findall(one.text)
        ):
            return None
    return None if any("$" in name for name in found) or not stages else tuple(dict.fromkeys(found))


def locate(step: str, dockerfile: str) -> Instruction | None:
    """The instruction that BuildKit's step name (`[stage 4/7] RUN …`) stands for."""
    position = _POSITION.match(step)
    if position is None:
        return None
    known = instructions(dockerfile)
    wanted = _squeezed(position["text"])
    stage = position["stage"] or "stage-0"
    mine = [one for one in known if one.stage == stage] or known
    exact = [one for one in mine if _squeezed(one.text) == wanted]
    counted = [one for one in mine if one.text.split(None, 1)[0].upper() in _COUNTED]
    index = int(position["index"]) - 1
    if len(exact) == 1:
        return exact[0]
    return counted[index] if index < len(counted) else None


def _squeezed(text: str) -> str:
    return " ".join(text.split())
