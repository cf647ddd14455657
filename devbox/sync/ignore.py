"""The ignore rules of one tree: which files hold them, read when first needed."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Container, Sequence
from pathlib import Path

from devbox.ports.tree import STAGING
from devbox.sync import rules
from devbox.sync.rules import RuleFile
from devbox.sync.tracked import Tracked

RULE_FILES = (b".devboxignore", b".gitignore")
_STAGING = rules.parse(STAGING.encode() + b"*")
_BUILT_IN = RuleFile(b"", (rules.parse(b".git").rules[0],))


class Ignore:
    """What is ignored below `root`.

    Strongest first: config, .devboxignore (deepest first), the built-in `.git`, .gitignore (deepest first),
    .git/info/exclude, core.excludesFile. As to git, what is tracked is not ignored by git's files.
    """

    def __init__(self, root: bytes, config: RuleFile, weak: Sequence[RuleFile], prefix: bytes = b"") -> None:
        """`prefix` is the root's place in a larger repository, with a slash behind."""
        self._root, self._config, self._weak, self._prefix = root, config, tuple(weak), prefix
        self.tracked: Container[bytes] = ()
        self._layers: dict[tuple[bytes, bool], tuple[RuleFile, ...]] = {}
        self._own: dict[bytes, tuple[RuleFile | None, RuleFile | None]] = {}
        self._folders: dict[tuple[bytes, bool], bool] = {}
        self._ruled: set[bytes] = set()  # the folders in which rule files were found
        self._joined: dict[tuple[int, ...], re.Pattern[bytes]] = {}
        self.forget()

    def forget(self) -> None:
        """Other folders may stand under the names of old ones: their rules are read when they are needed."""
        for known in (self._layers, self._own, self._folders, self._ruled, self._joined):
            known.clear()
        self._folders.update({(b"", False): False, (b"", True): False})

    def ruled(self, path: bytes) -> bool:
        """Whether there were rule files in the folder `path`, or below it."""
        return any(not path or one == path or one.startswith(path + b"/") for one in self._ruled)

    def covers(self, path: bytes, is_directory: bool) -> bool:
        """Whether the path, or a folder above it, is ignored."""
        return self._verdict(path, is_directory, git=True) and not (
            path in self.tracked and not self._verdict(path, is_directory, git=False)
        )

    def suspects(self, folder: bytes, names: Collection[bytes]) -> Collection[bytes]:
        """Which of all the names in a folder have to be asked about: rules say nothing of the others.

        A look at 100,000 files spends most of its time on such questions.
        """
        if not any(name in names for name in RULE_FILES):
            self._own.setdefault(folder, (None, None))  # seen already: need not be opened to know
        if self._verdict(folder, True, git=True):
            return names
        layers = self.layers(folder)
        key = tuple(map(id, layers))
        spoken_of = self._joined.get(key)
        if spoken_of is None:
            spoken_of = self._joined[key] = rules.any_name([*layers, _STAGING])
        place = self._prefix + (folder + b"/" if folder else b"")
        paths = [(one, place[len(one.base) :]) for one in layers if one.about_paths]
        return {
            name
            for name in names
            if spoken_of.fullmatch(name) or any(one.mentions(below + name, name) for one, below in paths)
        }

    def _verdict(self, path: bytes, is_directory: bool, git: bool) -> bool:
        """What the rules say; git's among them, or only ours."""
        if is_directory and (path, git) in self._folders:
            return self._folders[path, git]
        parent, _, name = path.rpartition(b"/")
        verdict = (
            name.startswith(STAGING.encode())
            or self._verdict(parent, True, git)
            or rules.ignored(self._prefix + path, is_directory, self.layers(parent, git))
        )
        if is_directory:
            self._folders[path, git] = verdict
        return verdict

    def layers(self, folder: bytes, git: bool = True) -> tuple[RuleFile, ...]:
        """The rule files that speak about what is directly in `folder`, strongest first."""
        if (folder, git) not in self._layers:
            chain = [folder]
            while chain[-1]:
                chain.append(chain[-1].rpartition(b"/")[0])
            own = [self._files_of(one) for one in chain]
            ours = (self._config, *(first for first, _ in own if first))
            # No rule of git's brings `.git` back: to git it is no content, whatever a line `!*/` says.
            theirs = (_BUILT_IN, *(second for _, second in own if second), *self._weak)
            self._layers[folder, git] = (*ours, *theirs) if git else ours
        return self._layers[folder, git]

    def _files_of(self, folder: bytes) -> tuple[RuleFile | None, RuleFile | None]:
        if folder not in self._own:
            base = self._prefix + (folder + b"/" if folder else b"")
            devbox, git = (_read(os.path.join(self._root, folder, name), base) for name in RULE_FILES)
            self._own[folder] = (devbox, git)
            if devbox or git:
                self._ruled.add(folder)
        return self._own[folder]


def of_tree(root: bytes, config: Sequence[str]) -> Ignore:
    """The rules of the tree at `root`, with what git tracks there."""
    ignore = Ignore(root, *environment_rules(root, config))
    ignore.tracked = Tracked(root, asked=_repository(root) is not None)
    return ignore


def environment_rules(root: bytes, config: Sequence[str]) -> tuple[RuleFile, list[RuleFile], bytes]:
    """What holds for the whole tree: the config's rules, weak ones, the root's place in the repository."""
    top = _repository(root)
    prefix = os.path.relpath(root, top) + b"/" if top and top != root else b""
    weak = []
    if top:
        weak += _above(top, prefix)
        weak.append(_read(os.path.join(_git_folder(top), b"info", b"exclude"), b""))
    weak.append(_read(os.fsencode(_global_excludes()), b""))
    text = "\n".join(config).encode(errors="surrogateescape")
    return rules.parse(text, prefix), [file for file in weak if file], prefix


def _above(top: bytes, prefix: bytes) -> list[RuleFile | None]:
    """The .gitignore files between the repository's top and the root, deepest first."""
    parts = prefix.strip(b"/").split(b"/") if prefix else []
    folders = [b"/".join(parts[:depth]) for depth in range(len(parts))]
    return [
        _read(os.path.join(top, folder, b".gitignore"), folder + b"/" if folder else b"")
        for folder in reversed(folders)
    ]


def _read(path: bytes, base: bytes) -> RuleFile | None:
    try:
        return rules.parse(Path(os.fsdecode(path)).read_bytes(), base)
    except OSError:
        return None


def _repository(root: bytes) -> bytes | None:
    folder = root
    while True:
        if os.path.exists(os.path.join(folder, b".git")):
            return folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def _git_folder(top: bytes) -> bytes:
    """`.git` itself, or where its file points (worktrees, submodules; they share one exclude file)."""
    place = os.path.join(top, b".git")
    if os.path.isdir(place):
        return place
    try:
        pointed = Path(os.fsdecode(place)).read_bytes().removeprefix(b"gitdir:").strip()
        folder = os.path.join(top, pointed)
        common = Path(os.fsdecode(folder), "commondir").read_bytes().strip()
        return os.path.join(folder, common)
    except OSError:
        return place


def _global_excludes() -> str:
    """core.excludesFile as git itself finds it; its default where git is not installed or it is not set."""
    try:
        asked = subprocess.run(
            ["git", "config", "--path", "--get", "core.excludesFile"],
            capture_output=True,
            check=False,
            timeout=5,
        )
        if asked.returncode == 0:
            return os.fsdecode(asked.stdout.rstrip(b"\n"))
    except (OSError, subprocess.TimeoutExpired):
        pass
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(home, "git", "ignore")
