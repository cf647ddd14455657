"""Finding the right settings folder, and knowing whether that IDE is running."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from devbox.errors import DevboxError
from devbox.pycharm.ides import Ide, Machine, choose, find, running, this_machine


def machine(system: str, home: Path, **environment: str) -> Machine:
    return Machine(system, home, environment, processes=list)


def make(*folders: Path) -> None:
    for folder in folders:
        (folder / "options").mkdir(parents=True)


@pytest.mark.parametrize(
    ("system", "parent"),
    [
        ("linux", ".config/JetBrains"),
        ("darwin", "Library/Application Support/JetBrains"),
        ("win32", "AppData/Roaming/JetBrains"),
    ],
)
def test_the_newest_of_each_layout(tmp_path: Path, system: str, parent: str) -> None:
    names = (
        "PyCharm2023.3",
        "PyCharm2024.1",
        "PyCharmCE2025.1",
        "IntelliJIdea2025.2",
        "PyCharm2024.1-backup",
    )
    make(*(tmp_path / parent / name for name in names))
    found = find(machine(system, tmp_path))
    assert [ide.name for ide in found] == ["PyCharm2024.1", "PyCharm2023.3", "PyCharmCE2025.1"]
    assert choose(machine(system, tmp_path)).folder == tmp_path / parent / "PyCharm2024.1"
    assert choose(machine(system, tmp_path), "PyCharm2023.3").version == (2023, 3)


def test_variables_move_the_parent(tmp_path: Path) -> None:
    make(tmp_path / "xdg/JetBrains/PyCharm2024.2", tmp_path / "roaming/JetBrains/PyCharm2024.3")
    assert choose(machine("linux", tmp_path, XDG_CONFIG_HOME=str(tmp_path / "xdg"))).version == (2024, 2)
    assert choose(machine("win32", tmp_path, APPDATA=str(tmp_path / "roaming"))).version == (2024, 3)


def test_old_layouts(tmp_path: Path) -> None:
    make(tmp_path / ".PyCharm2019.3/config", tmp_path / "Library/Preferences/PyCharm2019.2")
    assert choose(machine("linux", tmp_path)).folder == tmp_path / ".PyCharm2019.3/config"
    assert choose(machine("darwin", tmp_path)).folder == tmp_path / "Library/Preferences/PyCharm2019.2"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("idea.properties", "# mine\nidea.config.path=${user.home}/elsewhere/config\n"),
        ("idea.properties", "idea.config.path=${user.home}/elsewhere\\/config\n"),
        ("pycharm64.vmoptions", "-Xmx2g\n-Didea.config.path=${user.home}/elsewhere/config\n"),
        ("pycharm64.vmoptions", '-Didea.config.path="${user.home}/elsewhere/config"\n'),
    ],
)
def test_a_custom_path(tmp_path: Path, name: str, text: str) -> None:
    usual, moved = tmp_path / ".config/JetBrains/PyCharm2024.1", tmp_path / "elsewhere/config"
    make(usual, moved)
    (usual / name).write_text(text)
    assert [(ide.name, ide.folder) for ide in find(machine("linux", tmp_path))] == [("PyCharm2024.1", moved)]
    (usual / name).unlink()
    (tmp_path / name).write_text(text)
    variable = {"PYCHARM_PROPERTIES": str(tmp_path / name)}
    folders = [ide.folder for ide in find(machine("linux", tmp_path, **variable))]
    assert set(folders) == {usual, moved}


def test_a_custom_path_may_have_spaces_and_one_in_a_comment_is_none(tmp_path: Path) -> None:
    usual, moved = tmp_path / ".config/JetBrains/PyCharm2024.1", tmp_path / "my own config"
    make(usual, moved)
    options = usual / "pycharm64.vmoptions"
    options.write_text(f"-Xmx2g\n-Didea.config.path={moved}\n-Dother=1\n")
    assert choose(machine("linux", tmp_path)).folder == moved
    options.write_text(f"#-Didea.config.path={moved}\n")
    assert choose(machine("linux", tmp_path)).folder == usual


def test_a_flatpak_is_found(tmp_path: Path) -> None:
    folder = tmp_path / ".var/app/com.jetbrains.PyCharm-Professional/config/JetBrains/PyCharm2024.3"
    make(folder, tmp_path / ".config/JetBrains/PyCharm2024.1")
    assert choose(machine("linux", tmp_path)).folder == folder


def test_none_and_a_wrong_name_say_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(DevboxError, match="no settings folder in"):
        choose(machine("linux", tmp_path))
    make(tmp_path / ".config/JetBrains/PyCharm2024.1")
    with pytest.raises(DevboxError, match=r"no PyCharm called PyCharm2020\.1: found PyCharm2024\.1"):
        choose(machine("linux", tmp_path), "PyCharm2020.1")


def test_a_folder_may_be_named(tmp_path: Path) -> None:
    make(tmp_path / "my-2025.1-config")
    ide = choose(machine("linux", tmp_path), str(tmp_path / "my-2025.1-config"))
    assert (ide.folder, ide.version) == (tmp_path / "my-2025.1-config", (2025, 1))


def test_running_by_the_lock_file(tmp_path: Path) -> None:
    ide = Ide("PyCharm2024.1", tmp_path, (2024, 1))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        (tmp_path / ".lock").write_text(str(process.pid))
        assert str(process.pid) in running(ide, machine("linux", tmp_path))
        process.communicate(b"\n")
    assert running(ide, machine("linux", tmp_path)) == ""
    (tmp_path / ".lock").write_text("not a number")
    assert running(ide, machine("linux", tmp_path)) == ""


@pytest.mark.parametrize(("text", "why"), [("4711", "names process 4711"), ("-1", ""), ("9" * 30, "")])
def test_the_lock_files_process_is_asked_for_by_its_number(tmp_path: Path, text: str, why: str) -> None:
    ide = Ide("PyCharm2024.1", tmp_path, (2024, 1))
    (tmp_path / ".lock").write_text(text)
    windows = Machine("win32", tmp_path, {}, processes=list, alive=lambda pid: pid == 4711)
    assert why in running(ide, windows)
    assert bool(why) == bool(running(ide, windows))


def test_running_by_a_held_port_lock(tmp_path: Path) -> None:
    lock = tmp_path / "port.lock"
    lock.touch()
    ide = Ide("PyCharm2021.1", tmp_path, (2021, 1))
    assert running(ide, machine("linux", tmp_path)) == ""
    hold = (
        "import fcntl, sys; h = open(sys.argv[1], 'r+b'); fcntl.lockf(h, fcntl.LOCK_EX); "
        "print('held', flush=True); input()"
    )
    argv = [sys.executable, "-c", hold, str(lock)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert "port.lock" in running(ide, machine("linux", tmp_path))
        process.communicate(b"\n")
    assert running(ide, machine("linux", tmp_path)) == ""


def test_running_by_the_process_itself(tmp_path: Path) -> None:
    ide = Ide("PyCharm2024.1", tmp_path, (2024, 1))
    argv = [sys.executable, "-c", "input()", "-Didea.paths.selector=PyCharm2024.1"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
        assert "idea.paths.selector" in running(ide, this_machine())
        assert running(Ide("PyCharm2023.1", tmp_path, (2023, 1)), this_machine()) == ""
        process.communicate(b"\n")
