"""`up --trace`: a program that knows nothing of devbox, switched on from outside over a real connection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from devbox.adapters.ssh.connection import connect
from devbox.ports.host import Finished
from devbox.traces.injection import SPOOL, Injection, injection
from tests.ssh.sshd import sshd
from tests.traces.reading import ROOT, Reader

APP = """
    import os, sqlite3, sys
    from wsgiref.simple_server import make_server
    from pages import page

    def application(environ, start_response):
        start_response("200 OK", [])
        return [page(environ["PATH_INFO"]).encode()]

    if __name__ == "__main__":
        server = make_server("127.0.0.1", 0, application)
        print(server.server_port, flush=True)
        server.handle_request()
"""
PAGES = """
    import sqlite3
    def page(path):
        with sqlite3.connect(":memory:") as db:
            return text(db.execute("SELECT 1").fetchone()[0])
    def text(number):
        return f"page {number}"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def prepared(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Injection]:
    made = injection("~/spool")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("DEVBOX_SSH_CONFIG", str(tmp_path / "ssh_config"))
    with sshd(tmp_path / "sshd", [f"SetEnv HOME={home}"]) as server:
        (tmp_path / "ssh_config").write_text(server.stanza("box"))
        with connect("box", None) as host:
            for _ in range(2):  # the second time there is nothing to do
                said = list(host.run(made.script))
                assert said == [Finished(0)], said
            yield made


def environment(made: Injection, home: Path, code: Path, **more: str) -> dict[str, str]:
    """As in a container, with the host's folders in the place of the mounts."""
    path = [str(home / made.recorder[2:]), *filter(None, [more.pop("PYTHONPATH", "")])]
    text = json.dumps({**made.environment([str(code)]), "PYTHONPATH": ":".join(path)})
    text = text.replace("{service}", "app").replace(SPOOL, str(home / made.spool[2:]))
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return {**clean, **json.loads(text), **more}


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "server.py").write_text(textwrap.dedent(APP))
    (folder / "pages.py").write_text(textwrap.dedent(PAGES))
    return folder


def test_requests_functions_and_queries_without_a_changed_line(
    prepared: Injection, home: Path, app: Path, tmp_path: Path
) -> None:
    env = environment(prepared, home, app)
    process = subprocess.Popen(
        [sys.executable, "-m", "server"],
        cwd=app,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    url = f"http://127.0.0.1:{process.stdout.readline().strip()}/first"
    with urllib.request.urlopen(url) as response:
        assert response.read() == b"page 1"
    process.communicate(timeout=10)
    reader = Reader(home / "spool", tmp_path / "traces.db")
    request, page, text = reader.named("GET /first"), reader.named("pages.page"), reader.named("pages.text")
    assert reader.named("__main__.application").parent_id == request.span_id
    assert page.trace_id == text.trace_id == request.trace_id
    assert text.parent_id == page.span_id
    assert reader.named("sqlite SELECT").parent_id == page.span_id
    assert request.operation.service == "app"
    assert page.operation.file == str(app / "pages.py")
    reader.store.close()


def test_an_app_that_uses_the_recorder_itself_shares_it(
    prepared: Injection, home: Path, app: Path, tmp_path: Path
) -> None:
    (app / "own.py").write_text(
        "from devbox import tracer\nfrom devbox.tracer.making import span\nimport devbox_tracer\n"
        "assert tracer.span is devbox_tracer.span is span\n"
        "with tracer.span('own'): pass\n"
    )
    env = environment(prepared, home, app, PYTHONPATH=str(ROOT))
    subprocess.run([sys.executable, "-m", "own"], cwd=app, env=env, check=True)
    reader = Reader(home / "spool", tmp_path / "traces.db")
    assert reader.named("own").operation.service == "app"
    reader.store.close()


def test_an_image_with_a_sitecustomize_of_its_own_still_gets_it(
    prepared: Injection, home: Path, app: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "sitecustomize.py").write_text("import builtins; builtins.theirs = 'here'\n")
    env = environment(prepared, home, app, PYTHONPATH=str(theirs))
    done = subprocess.run(
        [sys.executable, "-c", "print(theirs)"], cwd=app, env=env, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("here\n", "")


def test_without_a_spool_nothing_happens(prepared: Injection, home: Path, app: Path) -> None:
    env = environment(prepared, home, app)
    del env["DEVBOX_TRACE_SPOOL"]
    code = "import sys; print([one for one in sys.meta_path if 'devbox' in type(one).__module__])"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_any_user_may_record_and_nobody_else_on_the_host_may_look(tmp_path: Path, home: Path) -> None:
    """A container's user is who the image says; the mount shows it the folder itself, not what is above."""
    made = injection("~/state/spool")
    (tmp_path / "recorder.tgz").write_bytes(made.script.files["recorder.tgz"])
    env = {**os.environ, "HOME": str(home), "DEVBOX_STAGE": str(tmp_path)}
    subprocess.run(["sh", "-c", f"umask 077\n{made.script.text}"], env=env, check=True)

    def mode(path: Path) -> str:
        return f"{path.stat().st_mode & 0o7777:o}"

    assert (mode(home / "state"), mode(home / "state" / "spool")) == ("700", "1777")
    recorder = home / made.recorder[2:]
    assert {mode(path) for path in recorder.rglob("*.py")} == {"644"}
    assert {mode(path) for path in (recorder, recorder / "devbox_tracer")} == {"755"}


def test_the_same_recorder_has_the_same_folder() -> None:
    assert injection("~/spool").recorder == injection("~/other").recorder
