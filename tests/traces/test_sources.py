"""The SpoolSource contract, held by a local folder and by a folder behind a real sshd."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devbox.adapters.spools import HostSpools, LocalSpools
from devbox.adapters.ssh.connection import connect
from devbox.ports.traces import SpoolSource
from devbox.tracer import layout
from devbox.traces.decode import Decoder, SegmentHead
from devbox.traces.ingest import collect
from devbox.traces.store import Store
from tests.ssh.sshd import sshd
from tests.traces.reading import run, started


@pytest.fixture(params=["local", "ssh"])
def source(
    request: pytest.FixtureRequest, spool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SpoolSource]:
    if request.param == "local":
        yield LocalSpools(spool)
        return
    first = tmp_path / "host-path"
    first.mkdir()
    monkeypatch.setenv("DEVBOX_SSH_CONFIG", str(tmp_path / "ssh_config"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with sshd(tmp_path / "sshd", [f"SetEnv PATH={first}:{os.environ['PATH']}"]) as server:
        (tmp_path / "ssh_config").write_text(server.stanza("box"))
        with connect("box", None) as host:
            yield HostSpools(host, [str(spool), "/nowhere at all"])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "traces.db")
    yield made
    made.close()


def test_no_folder_is_an_empty_one(source: SpoolSource, store: Store) -> None:
    assert collect(source, store).spans == 0


def test_everything_arrives_and_the_spool_is_empty_then(
    source: SpoolSource, store: Store, spool: Path
) -> None:
    code = "for number in range(9000):\n    with tracer.span('work', number=number): pass"
    run(code, spool)
    assert collect(source, store).spans == 9000
    assert {span.attributes["number"] for span in store.spans()} == set(range(9000))
    assert list(spool.iterdir()) == []


COUNTING = """
    import sys
    number = 0
    for line in sys.stdin:
        for _ in range(int(line)):
            with tracer.span(f"work {number % 7}", number=number): pass
            number += 1
        print("done", flush=True)
"""


def ends(process: subprocess.Popen[str], spans: int) -> None:
    """Have a process that counts end so many spans."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{spans}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


def test_a_running_process_is_followed(source: SpoolSource, store: Store, spool: Path) -> None:
    total = 0
    with started(COUNTING, spool) as process:
        for count in (1, 500, 3, 2000, 0):
            ends(process, count)
            total += count
            assert collect(source, store).spans == count
    collect(source, store)
    assert sorted(span.attributes["number"] for span in store.spans()) == list(range(total))
    assert list(spool.iterdir()) == []


def test_liveness_is_the_writers(source: SpoolSource, spool: Path) -> None:
    with started(COUNTING, spool) as process:
        ends(process, 1)
        assert {chunk.live for chunk in source.poll({})} == {True}
    assert {chunk.live for chunk in source.poll({})} == {False}


FLOCK = """#!/bin/sh
# As flock; before it answers for the first time, the writer goes on a little, and dies.
if mkdir {folder}/once 2>/dev/null; then
    echo go >{folder}/ask
    read answer <{folder}/answer
fi
exec {flock} "$@"
"""


def test_a_writer_that_dies_while_we_look_loses_nothing(
    source: SpoolSource, store: Store, spool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the very moment at which it is asked whether it lives, it fills another segment, and is killed."""
    with started(COUNTING, spool) as process:
        ends(process, 10)

        def last_words() -> None:
            if process.poll() is None:
                ends(process, 3000)
                process.kill()
                process.wait()

        if isinstance(source, LocalSpools):
            asked = LocalSpools._live
            monkeypatch.setattr(LocalSpools, "_live", lambda self, name: last_words() or asked(self, name))
            collect(source, store)
        else:
            with telling(tmp_path / "host-path", last_words):
                collect(source, store)
        assert process.returncode == -signal.SIGKILL
    assert sorted(span.attributes["number"] for span in store.spans()) == list(range(3010))
    assert list(spool.iterdir()) == []


@contextmanager
def telling(path: Path, moment: Callable[[], None]) -> Iterator[None]:
    """Have the host's `flock` call `moment` before it answers for the first time."""
    flock = shutil.which("flock")
    assert flock
    for pipe in ("ask", "answer"):
        os.mkfifo(path / pipe)
    (path / "flock").write_text(FLOCK.format(folder=path, flock=flock))
    (path / "flock").chmod(0o755)

    def answer() -> None:
        (path / "ask").read_text()
        moment()
        (path / "answer").write_text("done\n")

    thread = threading.Thread(target=answer)
    thread.start()
    yield
    thread.join()


def test_a_slot_that_is_read_in_the_middle_of_its_writing_is_read_again() -> None:
    """The index is there, as it was written last; the beginning was read before it was written."""
    index = layout.FIRST_INDEX
    whole = layout.SPAN.pack(layout.TYPE_SPAN, b"t" * 16, 1, 0, 5, 6, index)
    head = SegmentHead(100, 1, 0, 0, 0, 0, 0, False)
    decoder = Decoder("p", "app")
    early = decoder.decode(head, layout.PAGE, bytes(8) + whole[8:], final=False)
    assert (early.offset, early.spans) == (layout.PAGE, [])
    later = decoder.decode(head, early.offset, whole, final=False)
    assert [span.span_id for span in later.spans] == ["0" * 15 + "1"]


def test_files_that_are_done_with_are_not_read_again(source: SpoolSource, spool: Path) -> None:
    run("with tracer.span('x'): pass", spool)
    names = [chunk.name for chunk in source.poll({})]
    assert len(names) == 2
    assert [chunk.name for chunk in source.poll({names[0]: -1})] == names[1:]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:4100], id="cut short"),
        pytest.param(lambda data: b"\xff" * len(data), id="garbage"),
        pytest.param(lambda data: data[:8] + b"\x63" + data[9:], id="another version"),
        pytest.param(lambda data: data[:4096] + b"\xee" * 6400, id="garbage in the slots"),
    ],
)
def test_a_damaged_segment_does_not_hide_the_others(
    spool: Path, store: Store, damage: Callable[[bytes], bytes]
) -> None:
    run("with tracer.span('bad'): pass", spool)
    segment = next(spool.glob("*.ring"))
    segment.write_bytes(damage(segment.read_bytes()))
    run("with tracer.span('good'): pass", spool)
    collect(LocalSpools(spool), store)
    assert "good" in [span.operation.name for span in store.spans()]
