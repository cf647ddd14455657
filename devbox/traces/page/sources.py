"""From a span to the line it came from: the path that the container saw, translated back through the sync
mapping to the file on this machine, and the editor that shows it.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from devbox.errors import DevboxError

LAUNCHERS = {
    "pycharm": ("{program}", "--line", "{line}", "{file}"),
    "pycharm.sh": ("{program}", "--line", "{line}", "{file}"),
    "charm": ("{program}", "--line", "{line}", "{file}"),
    "pycharm-professional": ("{program}", "--line", "{line}", "{file}"),
    "pycharm-community": ("{program}", "--line", "{line}", "{file}"),
    "code": ("{program}", "--goto", "{file}:{line}"),
    "codium": ("{program}", "--goto", "{file}:{line}"),
}
"""How each editor is told a file and a line, by the name of its program (the documentation of each, "open
files from the command line")."""


class Sources:
    """`mappings`: folders as spans name them -> folders here. Files of this machine's own processes are
    taken as they are when `own` says that such are shown.
    """

    def __init__(self, mappings: Sequence[tuple[str, Path]], own: bool = False) -> None:
        self._mappings = sorted(mappings, key=lambda one: -len(one[0]))
        self._own = own
        self.locate = lru_cache(maxsize=20_000)(self._locate)

    def _locate(self, file: str) -> str:
        """The file on this machine, or "" when it is not one of the project's."""
        seen = PurePosixPath(file)
        for folder, local in self._mappings:
            if seen.is_relative_to(folder):
                found = (local / seen.relative_to(folder)).resolve()
                return str(found) if found.is_relative_to(local.resolve()) and found.is_file() else ""
        return file if self._own and seen.is_absolute() and Path(file).is_file() else ""


def links(file: str, line: int, project: str) -> dict[str, str]:
    """Addresses that open the line in an editor, from a browser: JetBrains' and VS Code's own schemes."""
    path = quote(file)
    return {
        "PyCharm": f"jetbrains://pycharm/navigate/reference?project={quote(project)}&path={path}:{line}",
        "VS Code": f"vscode://file{path}:{line}",
    }


def launcher() -> str:
    """The editor's program on PATH, or ""."""
    return next((name for name in LAUNCHERS if shutil.which(name)), "")


def open_in_editor(file: str, line: int) -> str:
    """Open the line in the first editor that is found on PATH; gives its name."""
    name = launcher()
    if not name:
        raise DevboxError(
            "no editor was found on PATH",
            why=f"looked for {', '.join(LAUNCHERS)}",
            next_steps=[
                "PyCharm: Tools | Create Command-line Launcher",
                "VS Code: Install 'code' command in PATH",
            ],
        )
    words = [part.format(program=name, line=max(1, line), file=file) for part in LAUNCHERS[name]]
    try:
        editor = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise DevboxError(f"cannot start {name}", why=str(error)) from error
    # Whoever starts a process has to take its exit status; the editor may stay for hours.
    threading.Thread(target=editor.wait, daemon=True, name="editor").start()
    return name
