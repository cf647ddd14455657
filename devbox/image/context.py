"""The build context: the local tree after the ignore rules, as `docker build` would send it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from devbox.errors import ConfigError, DevboxError
from devbox.image.followed import Followed, followed
from devbox.image.rules import BadPattern, Rules, compile_rules, keep, read
from devbox.ports.build import ContextEntry, EntryKind

IGNORE_FILE = ".dockerignore"
OUTSIDE_NAME = ".devbox.Dockerfile"


@dataclass(frozen=True, slots=True)
class LocalContext:
    """`ports.build.BuildContext` of a folder. `outside` is a Dockerfile that lies elsewhere: it travels under
    `OUTSIDE_NAME`. `followed` is the part of it that is needed, where that is known."""

    root: Path
    rules: Rules
    dockerfile: Path
    outside: Path | None = None
    followed: Followed | None = None

    @property
    def identity(self) -> str:
        return str(self.root)

    @property
    def recipe_name(self) -> str:
        return self.dockerfile.name

    def recipe(self) -> Mapping[str, bytes]:
        beside = self.dockerfile.with_name(self.dockerfile.name + IGNORE_FILE)
        files = {path.name: path for path in (self.root / IGNORE_FILE, beside, self.dockerfile)}
        return {name: path.read_bytes() for name, path in files.items() if path.is_file()}

    def entries(
        self, excluded: Sequence[str] | None = None, copied: Sequence[str] = ()
    ) -> Sequence[ContextEntry]:
        if excluded is not None:
            rules = compile_rules(excluded)
            return replace(self, rules=rules, outside=None, followed=followed(copied)).entries()
        found = list(self._folder("", ()))
        if (part := self.followed) and any(
            entry.kind is EntryKind.LINK and part.ends_at(entry.path) for entry in found
        ):
            return replace(self, followed=None).entries()  # what it leads to may lie anywhere
        if self.outside and (entry := _entry(OUTSIDE_NAME, self.outside.stat(), "")):
            found.append(entry)
        return sorted(found, key=lambda entry: os.fsencode(entry.path).split(b"/"))

    def open(self, path: str) -> BinaryIO:
        file = self.outside if self.outside and path == OUTSIDE_NAME else self.root / path
        try:
            return file.open("rb")
        except OSError as error:
            raise _unreadable(str(file), error) from error

    def _folder(self, folder: str, matched: tuple[bool, ...]) -> Iterator[ContextEntry]:
        try:
            with os.scandir(self.root / folder) as listing:
                items = list(listing)
        except OSError as error:
            raise _unreadable(str(self.root / folder), error) from error
        for item in items:
            path = f"{folder}/{item.name}" if folder else item.name
            yield from self._item(item, path, matched)

    def _item(self, item: os.DirEntry[str], path: str, parent: tuple[bool, ...]) -> Iterator[ContextEntry]:
        if self.followed and not self.followed.needs(path):
            return
        left_out, matched = self.rules.check(path, parent)
        inside = item.is_dir(follow_symlinks=False)
        if left_out:
            if inside and self.rules.may_bring_back(path):
                yield from self._folder(path, matched)
            return
        entry = self._made(item, path)
        if entry is not None:
            yield entry
        if inside:
            yield from self._folder(path, matched)

    def _made(self, item: os.DirEntry[str], path: str) -> ContextEntry | None:
        """The entry; None for a socket, which no tar can carry and the CLI leaves out too."""
        try:
            facts = item.stat(follow_symlinks=False)
            target = os.readlink(item.path) if stat.S_ISLNK(facts.st_mode) else ""
        except FileNotFoundError:
            return None  # gone between listing and looking: it is not part of the tree any more
        except OSError as error:
            raise _unreadable(item.path, error) from error
        if stat.S_ISREG(facts.st_mode) and not os.access(item.path, os.R_OK):
            raise _unreadable(item.path, PermissionError(13, "Permission denied"))
        return _entry(path, facts, target)


def _entry(path: str, facts: os.stat_result, target: str) -> ContextEntry | None:
    mode = facts.st_mode
    kinds = ((stat.S_ISREG, EntryKind.FILE), (stat.S_ISDIR, EntryKind.FOLDER), (stat.S_ISLNK, EntryKind.LINK))
    kind = next((kind for test, kind in kinds if test(mode)), None)
    if kind is None:
        if not stat.S_ISFIFO(mode):
            return None
        kind = EntryKind.FIFO
    size = facts.st_size if kind is EntryKind.FILE else 0
    return ContextEntry(path, kind, stat.S_IMODE(mode), size, facts.st_mtime_ns, target)


def _unreadable(path: str, error: OSError) -> DevboxError:
    return DevboxError(
        "cannot be read for the build context",
        where=path,
        why=error.strerror or str(error),
        next_steps=["name it in .dockerignore, or make it readable"],
    )


def ignore_file(root: Path, dockerfile: Path) -> Path | None:
    """`<Dockerfile>.dockerignore` beside the Dockerfile, else the context's `.dockerignore`."""
    for candidate in (dockerfile.with_name(dockerfile.name + IGNORE_FILE), root / IGNORE_FILE):
        if candidate.is_file():
            return candidate
    return None


def local_context(root: Path, dockerfile: Path) -> tuple[LocalContext, str]:
    """The context of `root`, and the Dockerfile's path in it."""
    if not root.is_dir():
        raise ConfigError("the build context is not a folder", where=str(root))
    inside = dockerfile.is_relative_to(root)
    name = dockerfile.relative_to(root).as_posix() if inside else OUTSIDE_NAME
    source = ignore_file(root, dockerfile)
    try:
        patterns = read(source.read_text(encoding="utf-8", errors="surrogateescape")) if source else []
        rules = compile_rules(keep(patterns, [IGNORE_FILE, name] if inside else [IGNORE_FILE]))
    except BadPattern as bad:
        raise ConfigError("is no pattern Docker understands", where=str(source), why=str(bad)) from bad
    return LocalContext(root, rules, dockerfile, None if inside else dockerfile), name
