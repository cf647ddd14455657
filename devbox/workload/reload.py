"""A save is in effect: a process that begins anew when a module that it has loaded was changed.

The process replaces itself (exec), so its number, its place under the supervisor and its container stay. Code
that does not compile is said and not taken: the old one goes on.
"""

from __future__ import annotations

import errno
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from threading import Thread

Stamps = dict[str, tuple[int, int]]

_LOOK = 0.3
"""Seconds between two looks. Looking, not listening: file events do not cross every kind of mount."""


def loaded() -> Stamps:
    """The files of devbox's modules that this process has loaded, with their time and size."""
    files = [getattr(module, "__file__", None) for name, module in list(sys.modules.items()) if _ours(name)]
    return {file: stamp for file in files if file and (stamp := _stamp(file))}


def _ours(name: str) -> bool:
    return name == "__main__" or name.partition(".")[0] == "devbox"


def _stamp(file: str) -> tuple[int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None  # being replaced, or deleted: not a version to run
    return found.st_mtime_ns, found.st_size


def watch(stop: Callable[[], None]) -> Callable[[], None]:
    """Call `stop` when a loaded module was changed; returns what to call when everything has stopped: it
    begins anew if that was the reason."""
    known = loaded()
    changed: list[str] = []

    def look() -> None:
        while not changed:
            time.sleep(_LOOK)
            found = _changes(known)
            if found and all(map(_compiles, found)):
                changed.extend(found)
        stop()

    def finish() -> None:
        if changed:
            _begin_anew(changed)

    Thread(target=look, daemon=True, name="reload").start()
    return finish


def _changes(known: Stamps) -> list[str]:
    """Files that are not as they were; `known` is brought up to date."""
    now = known | loaded()
    changed = [file for file, stamp in known.items() if (_stamp(file) or stamp) != stamp]
    known.update(now)
    return changed


def _compiles(file: str) -> bool:
    try:
        compile(Path(file).read_bytes(), file, "exec")
    except (SyntaxError, ValueError) as error:
        sys.stderr.write(f"not reloaded: {error}\n")
        return False
    return True


def _begin_anew(why: list[str]) -> None:
    sys.stderr.write(f"reloading: {', '.join(Path(file).name for file in why)}\n")
    sys.stderr.flush()
    # -B: bytecode is taken for current by its second and size, and two saves may share both.
    os.execv(sys.executable, [sys.executable, "-B", "-m", "devbox.workload", *sys.argv[1:]])


def survive(run: Callable[[], None]) -> None:
    """Run; code that fails when it is loaded is said, and tried again at the next save."""
    # A module that could not be loaded is not among the loaded ones, so look at all there are; as they were
    # before the try, for a save may be quicker than its failure is told.
    package = Path(__file__).resolve().parent.parent
    known = {str(file): stamp for file in package.rglob("*.py") if (stamp := _stamp(str(file)))}
    try:
        run()
    except Exception as error:  # whatever is wrong, the next save may mend it
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise  # no save mends a taken port; another try by whoever started us does
        traceback.print_exc()
        while not (found := _changes(known)):
            time.sleep(_LOOK)
        _begin_anew(found)
