"""What people and their tools do to a tree, at random; used by `chaos`."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

STEADY = ("steady.txt", "steady/kept.py", "steady/deep/kept.bin")
"""Files that are there from the first moment to the last. They are neither renamed nor deleted."""
_NAMES = ["a", "b", "c.py", "d.py", "e e", "f\nf", "é", "deep", "pkg", "x.bin"]


def picture(root: Path) -> dict[bytes, object]:
    """Everything below, but for what the rules of this chaos ignore."""
    found: dict[bytes, object] = {}
    top = os.fsencode(root)
    for folder, names, files in os.walk(top):
        for name in names + files:
            path = os.path.join(folder, name)
            key = os.path.relpath(path, top)
            if name.endswith(b".ignored"):
                continue
            if os.path.islink(path):
                found[key] = os.readlink(path)
            elif os.path.isdir(path):
                found[key] = "folder"
            else:
                content = Path(os.fsdecode(path)).read_bytes()
                found[key] = (hashlib.sha256(content).hexdigest(), bool(os.stat(path).st_mode & 0o100))
    return found


@dataclass
class Hand:
    """Does what people and their tools do to a tree. Every content it writes is remembered."""

    root: Path
    choose: random.Random
    written: set[str] = field(default_factory=set)
    count: int = 0

    def work(self) -> None:
        """One random operation; one that is impossible just now does nothing."""
        operations: list[Callable[[], None]] = [
            *[self.save] * 4,
            *[self.create] * 3,
            *[self.safe_write] * 3,
            self.make_folder,
            self.rename,
            self.rename,
            self.swap,
            self.chmod,
            self.link,
            self.delete,
            self.delete,
            self.delete_folder,
            self.backup_write,
            *[self.save_steady] * 2,
        ]
        with contextlib.suppress(OSError):
            self.choose.choice(operations)()

    def content(self, sizes: list[int]) -> bytes:
        self.count += 1
        size = self.choose.choice(sizes)
        data = (b"%d %d " % (self.choose.randrange(10**9), self.count) * (size // 8 + 1))[:size]
        self.written.add(hashlib.sha256(data).hexdigest())
        return data

    def folders(self) -> list[Path]:
        return [self.root, *sorted(p for p in self.root.rglob("*") if p.is_dir() and not p.is_symlink())]

    def files(self) -> list[Path]:
        found = (p for p in self.root.rglob("*") if p.is_file() and not p.is_symlink())
        left_alone = {self.root / name for name in (".gitignore", *STEADY)}
        return sorted(p for p in found if p not in left_alone)

    def somewhere(self) -> Path:
        return self.choose.choice(self.folders()) / self.choose.choice(_NAMES)

    def some_file(self) -> Path:
        files = self.files()
        if not files:
            raise FileNotFoundError
        return self.choose.choice(files)

    def write(self, path: Path, *more: int) -> None:
        # In one write(2) of less than a page: whoever writes more into a file in place may be seen in
        # between, here as well as there. Large contents come by rename.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
        try:
            os.write(handle, self.content([0, 1, 20, 20, 500, *more]))
        finally:
            os.close(handle)

    def save(self) -> None:
        self.write(self.some_file())

    def create(self) -> None:
        self.write(self.somewhere())

    def safe_write(self) -> None:
        self.replace(self.some_file())

    def replace(self, target: Path) -> None:
        """Beside it first, then in its place: it is there all the while."""
        staged = target.with_name(target.name + ".ignored")
        self.write(staged, 40_000, 300_000)
        os.replace(staged, target)

    def save_steady(self) -> None:
        self.choose.choice([self.write, self.replace])(self.root / self.choose.choice(STEADY))

    def make_steady(self) -> None:
        for name in STEADY:
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            self.write(self.root / name)

    def backup_write(self) -> None:
        """As vim does with `backupcopy=no`: the old file steps aside, a new one takes its name."""
        target = self.some_file()
        backup = target.with_name(target.name + "~")
        os.rename(target, backup)
        self.write(target)
        os.unlink(backup)

    def make_folder(self) -> None:
        path = self.somewhere()
        if len(path.relative_to(self.root).parts) < 5:
            path.mkdir()

    def rename(self) -> None:
        sources = [*self.files(), *(one for one in self.folders()[1:] if not self.is_steady(one))]
        if sources:
            os.rename(self.choose.choice(sources), self.somewhere())

    def is_steady(self, folder: Path) -> bool:
        return any((self.root / name).is_relative_to(folder) for name in STEADY)

    def swap(self) -> None:
        one, other = self.some_file(), self.some_file()
        aside = self.root / "aside.ignored"
        os.rename(one, aside)
        os.rename(other, one)
        os.rename(aside, other)

    def chmod(self) -> None:
        self.some_file().chmod(self.choose.choice([0o644, 0o755]))

    def link(self) -> None:
        self.somewhere().symlink_to(self.choose.choice(_NAMES))

    def delete(self) -> None:
        self.some_file().unlink()

    def delete_folder(self) -> None:
        empty = [one for one in self.folders()[1:] if not any(one.iterdir())]
        if empty:
            self.choose.choice(empty).rmdir()
