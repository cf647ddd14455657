"""What every `Watcher` must do. A test class mixes this in and has the fixtures `root` and `watcher`."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from devbox.ports.watcher import Changes, Watcher


def covers(path: bytes, _is_directory: bool) -> bool:
    """The ignore rules of these tests, with that of our own staged files."""
    return any(part == b"ignored" or part.startswith(b".devbox-staging") for part in path.split(b"/"))


def seen(changes: Changes) -> set[bytes]:
    """Where to look, without the difference of how."""
    return {*changes.ready, *changes.open, *changes.subtrees}


def until(watcher: Watcher, *paths: bytes) -> Changes:
    """Wait until all these are in doubt, themselves or a folder above them."""
    found, end = Changes(), time.monotonic() + 15

    def in_doubt(path: bytes) -> bool:
        higher = [path[:at] for at in range(len(path)) if path[at : at + 1] == b"/"]
        return path in seen(found) or not found.subtrees.isdisjoint([b"", path, *higher])

    while not all(map(in_doubt, paths)):
        assert time.monotonic() < end, (paths, found)
        found = found.merged(watcher.wait(0.5))
    return found


class WatcherContract:
    def test_files_come_change_and_go(self, root: Path, watcher: Watcher) -> None:
        (root / "f").write_text("1")
        until(watcher, b"f")
        (root / "f").write_text("2")
        until(watcher, b"f")
        (root / "f").rename(root / "g")
        until(watcher, b"f", b"g")
        (root / "g").unlink()
        until(watcher, b"g")
        (root / "l").symlink_to("nowhere")
        until(watcher, b"l")

    def test_a_new_folder_is_in_doubt_with_all_below_it(self, root: Path, watcher: Watcher) -> None:
        (root / "a" / "b" / "c").mkdir(parents=True)
        (root / "a" / "b" / "c" / "f").write_text("1")
        until(watcher, b"a/b/c/f")
        (root / "a" / "b" / "c" / "g").write_text("1")
        until(watcher, b"a/b/c/g")

    def test_a_renamed_folder(self, root: Path, watcher: Watcher) -> None:
        (root / "old").rename(root / "new")
        until(watcher, b"old", b"new/inside")
        (root / "new" / "inside").write_text("2")
        until(watcher, b"new/inside")

    def test_names_are_bytes(self, root: Path, watcher: Watcher) -> None:
        for name in (b"a\nb", "é".encode(), b" lead"):
            Path(os.fsdecode(os.path.join(os.fsencode(root), name))).write_text("1")
            until(watcher, name)

    def test_what_is_ignored_is_not_told(self, root: Path, watcher: Watcher) -> None:
        (root / "ignored").mkdir()
        (root / "ignored" / "f").write_text("1")
        (root / "told").write_text("1")
        found = until(watcher, b"told")
        assert not any(path.startswith(b"ignored") for path in seen(found))

    def test_what_was_saved_before_is_in_a_wait_of_0(self, root: Path, watcher: Watcher) -> None:
        for number in range(10):
            name = f"s{number}"
            (root / name).write_text("1")
            assert os.fsencode(name) in seen(watcher.wait(0))

    def test_wake_ends_a_wait(self, watcher: Watcher) -> None:
        watcher.wait(0)
        woken = threading.Timer(0.2, watcher.wake)
        woken.start()
        start = time.monotonic()
        watcher.wait(60)
        assert time.monotonic() - start < 30
        woken.join()
