"""`devbox pycharm` as it is typed, with a host that does not answer (the other tests have one that does)."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
YAML = (
    'name: shop\nhost: dev@127.0.10.254\nservices:\n  web: {command: "python -m web", ports: ["80:8000"]}\n'
)


@dataclass
class Desk:
    """A project, a home with everything of its own, and the command line."""

    project: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(TOP), "HOME": str(self.home)}

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "devbox", "pycharm", *words]

    def devbox(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*words), cwd=self.project, env=self.environment, capture_output=True, text=True
        )

    def ok(self, *words: str) -> str:
        done = self.devbox(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def at_a_terminal(self, answers: str, *words: str) -> tuple[str, str]:
        """The command line with a person who types `answers`; what came to stdout, and to the terminal."""
        person, terminal = os.openpty()
        argv, env = self.argv(*words), {**self.environment, "NO_COLOR": "1"}
        with subprocess.Popen(
            argv, cwd=self.project, env=env, stdin=terminal, stderr=terminal, stdout=subprocess.PIPE
        ) as process:
            os.close(terminal)
            os.write(person, answers.encode())
            seen = b"".join(_until_it_hangs_up(person))
            assert process.stdout is not None
            out = process.stdout.read().decode()
        os.close(person)
        assert process.returncode == 0, out
        return out, seen.decode()

    def files(self, below: str = ".") -> dict[str, bytes]:
        """Everything in the project, or somewhere below the home."""
        top = self.project if below == "." else self.home / below
        return {str(one.relative_to(top)): one.read_bytes() for one in top.rglob("*") if one.is_file()}

    def ide(self, name: str = "PyCharm2024.1") -> Path:
        folder = self.home / ".config/JetBrains" / name
        (folder / "options").mkdir(parents=True)
        return folder


def _until_it_hangs_up(terminal: int) -> Iterator[bytes]:
    with contextlib.suppress(OSError):  # what reading gives when the other side is closed
        while True:
            yield os.read(terminal, 1 << 16)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    project, home = tmp_path / "code", tmp_path / "home"
    project.mkdir()
    home.mkdir()
    (project / "devbox.yaml").write_text(YAML)
    (project / "Dockerfile.dev").write_text("FROM scratch\n")
    return Desk(project, home)


def test_it_writes_says_what_is_missing_and_changes_nothing_the_second_time(desk: Desk) -> None:
    out = desk.ok()
    assert "written     " in out
    assert "note: the host did not answer: dev@127.0.10.254" in out
    assert "PyCharm will ask: whether to trust the SSH host key" in out
    first = desk.files()
    assert {".idea/deployment.xml", ".idea/shop.iml", ".run/devbox service web.run.xml"} <= set(first)
    assert ".idea/misc.xml" not in first  # no interpreter is known, so none is named
    second = desk.ok()
    assert "written" not in second
    assert "merged" not in second
    assert desk.files() == first


def test_no_file_holds_a_secret(desk: Desk) -> None:
    service = 'web: {command: "python -m web", environment: {DB_PASSWORD: hunter2, API_TOKEN: hunter2}}'
    build = "build: {args: {NPM_TOKEN: hunter2, MODE: dev}, secrets: {npm: hunter2}}"
    (desk.project / "devbox.yaml").write_text(
        f"name: shop\nhost: dev@127.0.10.254\n{build}\nservices:\n  {service}\n"
    )
    desk.ide()
    said = desk.ok("--install")
    assert "web: DB_PASSWORD, API_TOKEN: named like a secret, so in no file" in said
    assert "build: NPM_TOKEN: named like a secret, so in no file" in said
    (desk.project / "devbox.yaml").unlink()
    written = {**desk.files(), **desk.files(".config"), **desk.files(".local")}
    assert {"shop.iml", "remote-servers.xml", "pycharm.json"} <= {Path(name).name for name in written}
    assert [name for name, data in written.items() if b"hunter2" in data] == []


def test_upload_on_and_off(desk: Desk) -> None:
    desk.ok()
    off = desk.files()
    desk.ok("--upload")
    assert b'autoUpload="Always"' in desk.files()[".idea/deployment.xml"]
    desk.ok()
    assert desk.files() == off


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


def test_a_malformed_file_is_named_and_left_alone(desk: Desk) -> None:
    (desk.project / ".idea").mkdir()
    broken = b"<project><component></project>"
    (desk.project / ".idea/deployment.xml").write_bytes(broken)
    out = desk.ok()
    assert f"left alone  {desk.project}/.idea/deployment.xml" in out
    assert "mismatched tag" in out
    assert (desk.project / ".idea/deployment.xml").read_bytes() == broken
    assert (desk.project / ".idea/webServers.xml").exists()


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


def test_check_says_what_is_stale(desk: Desk) -> None:
    done = desk.devbox("--check")
    assert done.returncode == 1
    assert "missing" in done.stderr
    desk.ok()
    done = desk.devbox("--check")
    assert done.stdout.startswith("stale: certificates")
    (desk.project / "devbox.yaml").write_text(YAML + "build: {image: other}\n")
    done = desk.devbox("--check", "--json")
    checks = json.loads(done.stdout)["checks"]
    stale = {name for name, verdict in checks.items() if verdict == "failed"}
    assert {".run/devbox build.run.xml", ".run/devbox image.run.xml"} <= stale
    assert checks[".idea/deployment.xml"] == "ok"


def test_json_is_one_document(desk: Desk) -> None:
    data = json.loads(desk.ok("--json"))
    assert {entry["did"] for entry in data["files"]} == {"written"}
    assert any("did not answer" in note for note in data["notes"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--pycharm", "new"], "is not a version of PyCharm"),
        (["--install", "--check"], "exclude each other"),
    ],
)
def test_usage(desk: Desk, words: list[str], said: str) -> None:
    done = desk.devbox(*words)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_file_in_the_place_of_a_folder_is_named(desk: Desk) -> None:
    (desk.project / ".idea").write_text("a file where a folder should be")
    done = desk.devbox()
    assert done.returncode == 0
    assert "left alone  " in done.stdout
    assert "Not a directory" in done.stdout


IMAGE = ".run/devbox image.run.xml"


def edited(desk: Desk) -> Path:
    """A file of devbox's that the user edited, and a devbox.yaml that wants something else in it by now."""
    desk.ok()
    path = desk.project / IMAGE
    path.write_text(path.read_text().replace("shop-pycharm", "my-name"))
    assert "1 things stay as you have them (--force takes devbox's): devbox image.run.xml" in desk.ok()
    (desk.project / "devbox.yaml").write_text(YAML + "build: {image: other}\n")
    return path


def test_edited_files_are_kept_and_force_takes_ours(desk: Desk) -> None:
    path = edited(desk)
    assert f"kept        {path}: configuration[devbox image] was edited since" in desk.ok()
    assert "my-name" in path.read_text()
    desk.ok("--force")
    assert "other:latest" in path.read_text()


def test_a_person_is_shown_the_difference_and_asked(desk: Desk) -> None:
    path = edited(desk)
    out, seen = desk.at_a_terminal("n\n")
    assert f"{IMAGE}: take devbox's configuration[devbox image] instead of yours? [y/N]" in seen
    assert '-      <option name="containerName" value="my-name" />' in seen
    assert '+      <option name="imageTag" value="other:latest" />' in seen
    assert "my-name" in path.read_text()
    out, seen = desk.at_a_terminal("")
    assert "take devbox's" not in seen  # decided; devbox wants nothing else since
    assert "1 things stay as you have them" in out
    (desk.project / "devbox.yaml").write_text(YAML + "build: {image: third}\n")
    out, seen = desk.at_a_terminal("y\n")
    assert "take devbox's" in seen
    assert "third:latest" in path.read_text()
    assert "my-name" not in path.read_text()
