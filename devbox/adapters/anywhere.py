"""The `Watcher` port where there is no inotify (macOS, Windows): by watchfiles, whose events are coarser.

Nothing tells there when a file is closed, so that every change counts as `open` and settles first. Events
come some time after the change; a file of our own, made and removed, shows when all before it has come.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable

import watchfiles

from devbox.errors import DevboxError
from devbox.ports.tree import STAGING
from devbox.ports.watcher import Changes

_COOKIE = f"{STAGING}.seen-{os.getpid()}-"
_PATIENCE = 5.0
"""Seconds after which a cookie that was not seen is not waited for any more."""
_RETRY = 0.5

Covers = Callable[[bytes, bool], bool]
_Events = set[tuple[watchfiles.Change, str]]


class Anywhere:
    """Watches everything below `root`; what `covers` says is ignored is left out afterwards."""

    def __init__(self, root: bytes, covers: Covers) -> None:
        self._root, self._covers = os.path.realpath(root), covers
        self._inbox: queue.SimpleQueue[_Events] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._cookies = 0
        self._thread = threading.Thread(target=self._listen, name="sync-watcher", daemon=True)
        self._thread.start()
        if self._all_so_far() is None:
            self.close()
            raise DevboxError(
                "the local tree cannot be watched",
                where=os.fsdecode(self._root),
                why=f"no change was seen within {_PATIENCE:g} s",
                next_steps=["devbox sync   (once)"],
            )

    def wait(self, timeout: float | None) -> Changes:
        """See `ports.watcher.Watcher.wait`."""
        if timeout == 0:
            return self._changes(self._all_so_far() or set())
        events: _Events = set()
        with contextlib.suppress(queue.Empty):
            events = self._inbox.get(timeout=timeout)
        return self._changes(events | self._there())

    def wake(self) -> None:
        self._inbox.put(set())

    def refresh(self) -> None:
        """Nothing to do: everything is watched, what is ignored is asked anew each time."""

    def close(self) -> None:
        self._stop.set()
        self._thread.join(_PATIENCE)

    def _listen(self) -> None:
        seen = watchfiles.watch(
            os.fsdecode(self._root),
            watch_filter=None,
            debounce=50,
            step=10,
            stop_event=self._stop,
            rust_timeout=500,
            raise_interrupt=False,
        )
        with contextlib.suppress(OSError):  # the root went: the session looks for itself
            for events in seen:
                self._inbox.put(events)

    def _there(self) -> _Events:
        events: _Events = set()
        with contextlib.suppress(queue.Empty):
            while True:
                events |= self._inbox.get_nowait()
        return events

    def _all_so_far(self) -> _Events | None:
        """Whatever happened before this call; `None` when it cannot be known."""
        events: _Events = set()
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            name = self._leave_cookie()
            again = time.monotonic() + _RETRY
            while (left := again - time.monotonic()) > 0:
                with contextlib.suppress(queue.Empty):
                    events |= self._inbox.get(timeout=left)
                if any(os.path.basename(path) == name for _, path in events):
                    return events | self._there()
        return None

    def _leave_cookie(self) -> str:
        self._cookies += 1
        name = f"{_COOKIE}{self._cookies}"
        path = os.path.join(self._root, os.fsencode(name))
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
            os.unlink(path)
        return name

    def _changes(self, events: _Events) -> Changes:
        ready, still_open, subtrees = set[bytes](), set[bytes](), set[bytes]()
        for change, place in events:
            path = os.path.relpath(os.fsencode(place), self._root).replace(os.fsencode(os.sep), b"/")
            full = os.path.join(self._root, path)
            is_folder = os.path.isdir(full) and not os.path.islink(full)
            if path == b"." or path.startswith(b"../") or self._covers(path, is_folder):
                continue
            if is_folder and change is watchfiles.Change.added:
                subtrees.add(path)
            elif is_folder:
                continue  # what changed in it is told by its members
            elif os.path.lexists(full) and not os.path.islink(full):
                still_open.add(path)
            else:
                ready.add(path)
        return Changes(frozenset(ready), frozenset(still_open), frozenset(subtrees))
