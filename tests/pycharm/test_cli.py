"""`devbox pycharm` as it is typed, with a host that does not answer (other tests have one that does)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.pycharm.desk import YAML, Desk


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


def test_a_malformed_file_is_named_and_left_alone(desk: Desk) -> None:
    (desk.project / ".idea").mkdir()
    broken = b"<project><component></project>"
    (desk.project / ".idea/deployment.xml").write_bytes(broken)
    out = desk.ok()
    assert f"left alone  {desk.project}/.idea/deployment.xml" in out
    assert "mismatched tag" in out
    assert (desk.project / ".idea/deployment.xml").read_bytes() == broken
    assert (desk.project / ".idea/webServers.xml").exists()


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
        (["--fresh"], "--fresh goes with --zip"),
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


def test_a_host_behind_a_jump_host_is_named_as_the_ssh_config_names_it(desk: Desk) -> None:
    """PyCharm reads that file too; an address that only the jump host knows leads it nowhere."""
    config = desk.home / "ssh_config"
    config.write_text(
        "Host behind\n  HostName 10.99.99.99\n  User dev\n  ProxyJump dev@127.0.10.254\n  ConnectTimeout 1\n"
    )
    (desk.project / "devbox.yaml").write_text(YAML.replace("dev@127.0.10.254", "dev@behind"))
    with_config = {**desk.environment, "DEVBOX_SSH_CONFIG": str(config)}
    done = subprocess.run(
        desk.argv(), cwd=desk.project, env=with_config, capture_output=True, text=True, check=True
    )
    assert "PyCharm reaches the host as behind" in done.stdout
    assert b'<sshConfig authType="OPEN_SSH" host="behind"' in desk.files()[".idea/sshConfigs.xml"]
    assert b'host="behind"' in desk.files()[".idea/webServers.xml"]
    assert b"10.99.99.99" not in b"".join(desk.files().values())
