"""Which PyCharms are here, where each keeps its settings, and whether one is running."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devbox import command
from devbox.errors import DevboxError

_NAME = re.compile(r"\.?PyCharm(CE|Edu)?(\d{4})\.(\d+)")
_PROPERTY = re.compile(r"^\s*idea\.config\.path\s*[=:]\s*(.+?)\s*$", re.MULTILINE)
_OPTION = re.compile(r"^\s*-Didea\.config\.path=(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Ide:
    """One PyCharm's settings. `name` is its folder's usual name, such as PyCharm2024.1."""

    name: str
    folder: Path
    version: tuple[int, int]

    @property
    def community(self) -> bool:
        """Community and Edu have no remote interpreters."""
        return self.name.startswith(("PyCharmCE", "PyCharmEdu"))


def _processes() -> list[str]:
    """The command lines of this user's machine; empty where they cannot be had."""
    return command.run(["ps", "-axww", "-o", "args="]).out.splitlines() if command.available("ps") else []


def _alive(pid: int) -> bool:
    """Whether a process of that number is there. Signal 0 asks on POSIX; on Windows it would be a ^C."""
    if sys.platform == "win32":
        listed = command.run(["tasklist", "/NH", "/FI", f"PID eq {pid}"])
        return str(pid) in listed.out.split()
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Machine:
    """What the search rests on. `system` is sys.platform's word: linux, darwin or win32."""

    system: str
    home: Path
    environment: Mapping[str, str]
    processes: Callable[[], Iterable[str]] = field(default=_processes)
    alive: Callable[[int], bool] = field(default=_alive)


def this_machine() -> Machine:
    return Machine(sys.platform, Path.home(), os.environ)


def parents(machine: Machine) -> list[Path]:
    """The folders in which IDEs make their settings folder (JetBrains: "Directories used by the IDE")."""
    if machine.system == "darwin":
        library = machine.home / "Library"
        return [library / "Application Support" / "JetBrains", library / "Preferences"]
    if machine.system == "win32":
        roaming = machine.environment.get("APPDATA") or str(machine.home / "AppData" / "Roaming")
        return [Path(roaming) / "JetBrains", machine.home]
    config = machine.environment.get("XDG_CONFIG_HOME") or str(machine.home / ".config")
    flatpaks = sorted((machine.home / ".var/app").glob("com.jetbrains.PyCharm*/config/JetBrains"))
    return [Path(config) / "JetBrains", *flatpaks, machine.home]


def find(machine: Machine) -> list[Ide]:
    """All PyCharms with settings, newest first, editions without remote interpreters last."""
    found = {ide.folder: ide for parent in parents(machine) for ide in _in(parent, machine)}
    for path in _properties(machine):
        if (custom := _custom(path, machine)) is not None:
            found[custom] = Ide(custom.name, custom, _version(str(custom)) or _version(str(path)) or (0, 0))
    return sorted(found.values(), key=lambda ide: (not ide.community, ide.version), reverse=True)


def _in(parent: Path, machine: Machine) -> Iterator[Ide]:
    with contextlib.suppress(OSError):
        for folder in sorted(parent.iterdir()):
            named = _NAME.fullmatch(folder.name)
            if not named or not folder.is_dir():
                continue
            home = folder / "config" if (folder / "config").is_dir() else folder  # up to 2019.3
            moved = next((to for one in sorted(folder.iterdir()) if (to := _custom(one, machine))), None)
            name = folder.name.lstrip(".")
            yield Ide(name, moved or home, (int(named[2]), int(named[3])))


def _properties(machine: Machine) -> Iterator[Path]:
    """Files that may move the settings of an IDE, apart from those in its settings folder."""
    for variable in ("PYCHARM_PROPERTIES", "PYCHARM_VM_OPTIONS"):
        if value := machine.environment.get(variable):
            yield Path(value)
    yield machine.home / "idea.properties"


def _custom(path: Path, machine: Machine) -> Path | None:
    """The settings folder that an idea.properties or .vmoptions file names."""
    if path.suffix not in (".properties", ".vmoptions"):
        return None
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    option = path.suffix == ".vmoptions"
    named = (_OPTION if option else _PROPERTY).search(text)
    if not named:
        return None
    value = named[1].strip('"') if option else re.sub(r"\\(.)", r"\1", named[1])
    folder = Path(value.replace("${user.home}", str(machine.home)))
    return folder if folder.is_dir() else None


def _version(text: str) -> tuple[int, int] | None:
    named = re.search(r"(20\d\d)\.(\d+)", text)
    return (int(named[1]), int(named[2])) if named else None


def choose(machine: Machine, name: str = "") -> Ide:
    """The newest PyCharm, or the one of that name or folder."""
    found = find(machine)
    if name and (Path(name) / "options").is_dir():
        folder = Path(name).resolve()
        return Ide(folder.name, folder, _version(str(folder)) or (0, 0))
    wanted = [ide for ide in found if not name or ide.name == name]
    if wanted:
        return wanted[0]
    looked = ", ".join(str(parent) for parent in parents(machine))
    known = ", ".join(ide.name for ide in found)
    raise DevboxError(
        f"no PyCharm called {name}" if name else "no PyCharm has been started here yet",
        why=f"found {known}" if known else f"no settings folder in {looked}",
        next_steps=["start PyCharm once, close it, and try again", "devbox pycharm --install --ide FOLDER"],
    )


def running(ide: Ide, machine: Machine) -> str:
    """How we know that this IDE is running; "" when it is not.

    A running IDE writes its settings when it closes, over ours.
    """
    if pid := _lock_owner(ide.folder / ".lock", machine):
        return f"{ide.folder / '.lock'} (remove it if that is no PyCharm) names process {pid}, which is alive"
    if _held(ide.folder / "port.lock"):
        return f"{ide.folder / 'port.lock'} is locked"
    signs = (f"-Didea.paths.selector={ide.name}", f"-Didea.config.path={ide.folder}")
    for line in machine.processes():
        if any(sign in line.split() for sign in signs):
            return f"a process runs with {next(sign for sign in signs if sign in line.split())}"
    return ""


def _lock_owner(path: Path, machine: Machine) -> int:
    """The process that a lock file names when it is alive, else 0 (versions from 2022.1 on)."""
    try:
        pid = int(path.read_text().strip() or 0)
    except (OSError, ValueError):
        return 0
    return pid if pid > 0 and machine.alive(pid) else 0


def _held(path: Path) -> bool:
    """Whether somebody holds a file lock (older versions)."""
    if sys.platform == "win32" or not path.is_file():
        return False
    import fcntl

    try:
        with path.open("r+b") as handle:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
    except OSError:
        return True
