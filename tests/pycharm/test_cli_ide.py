"""What `devbox pycharm` does to PyCharm itself, as it is typed, with a host that does not answer."""

from __future__ import annotations

import subprocess
import sys
import zipfile

from tests.pycharm.desk import Desk


def test_uninstall_gives_back_the_start(desk: Desk) -> None:
    ide = desk.ide()
    (desk.project / ".idea").mkdir()
    workspace, misc = (
        b"<project malformed",
        b'<project version="4">\n  <component name="Black" />\n</project>\n',
    )
    (desk.project / ".idea/workspace.xml").write_bytes(workspace)
    (desk.project / ".idea/misc.xml").write_bytes(misc)
    servers = b'<application>\n  <component name="RemoteServers" />\n</application>'
    (ide / "options/remote-servers.xml").write_bytes(servers)
    before = desk.files(), desk.files(".config")
    out = desk.ok("--install")
    assert "merged      " in out
    assert "the files before are in " in out
    backups = [data for name, data in desk.files(".local").items() if "/backups/" in name]
    assert servers in backups
    assert b"DockerTcpConnectionConfigurator" in (ide / "options/remote-servers.xml").read_bytes()
    assert (desk.project / ".idea/workspace.xml").read_bytes() == workspace
    desk.ok("--uninstall")
    assert (desk.files(), desk.files(".config")) == before


def test_a_running_ide_is_refused_before_anything_is_written(desk: Desk) -> None:
    ide = desk.ide()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        (ide / ".lock").write_text(str(process.pid))
        done = desk.devbox("--install")
        process.communicate(b"\n")
    assert done.returncode == 1
    assert "PyCharm2024.1 is running" in done.stderr
    assert "next: close PyCharm and try again" in done.stderr
    assert not (desk.project / ".idea").exists()
    assert list((ide / "options").iterdir()) == []


def test_no_ide_and_a_community_edition_say_so(desk: Desk) -> None:
    done = desk.devbox("--install")
    assert (done.returncode, "no PyCharm has been started here yet" in done.stderr) == (1, True)
    desk.ide("PyCharmCE2024.1")
    assert "has no remote interpreters" in desk.devbox("--install").stderr


def test_the_newest_ide_is_taken_and_another_one_when_it_is_named(desk: Desk) -> None:
    newest, older = desk.ide("PyCharm2024.1"), desk.ide("PyCharm2023.2")
    moved = desk.home / "moved"
    (moved / "options").mkdir(parents=True)
    assert str(newest) in desk.ok("--install")
    assert list((older / "options").iterdir()) == []
    assert str(older) in desk.ok("--install", "--ide", "PyCharm2023.2")
    assert (older / "options/remote-servers.xml").exists()
    (newest / "pycharm64.vmoptions").write_text(f"-Didea.config.path={moved}\n")
    assert str(moved / "options") in desk.ok("--install")
    done = desk.devbox("--install", "--ide", "PyCharm2020.1")
    assert done.returncode == 1
    assert "no PyCharm called PyCharm2020.1" in done.stderr
    assert "found PyCharm2024.1, PyCharm2023.2" in done.stderr
    desk.ok("--uninstall")
    assert [one for folder in (newest, older, moved) for one in (folder / "options").iterdir()] == []


def test_the_archive_needs_settings_or_fresh(desk: Desk) -> None:
    target = desk.home / "settings.zip"
    done = desk.devbox("--zip", str(target))
    assert done.returncode == 1
    assert "--fresh" in done.stderr
    assert not target.exists()
    assert "the import replaces whole files" in done.stderr
    desk.ok("--zip", str(target), "--fresh")
    with zipfile.ZipFile(target) as archive:
        assert archive.namelist()[0] == "IntelliJ IDEA Global Settings"
        assert archive.read("IntelliJ IDEA Global Settings") == b""
        assert "options/remote-servers.xml" in archive.namelist()


def test_the_archive_carries_the_users_own_settings(desk: Desk) -> None:
    own = '<remote-server name="mine" type="docker"><configuration /></remote-server>'
    component = f'<component name="RemoteServers">{own}</component>'
    file = desk.ide() / "options/remote-servers.xml"
    file.write_text(f"<application>{component}</application>")
    target = desk.home / "settings.zip"
    assert "the import replaces whole files" in desk.ok("--zip", str(target))
    with zipfile.ZipFile(target) as archive:
        merged = archive.read("options/remote-servers.xml").decode()
    assert own in merged
    assert 'name="shop@127.0.10.254"' in merged
    assert file.read_text() == f"<application>{component}</application>"
