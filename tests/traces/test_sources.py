"""The SpoolSource contract, held by a local folder and by a folder behind a real sshd."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devbox.adapters.spools import HostSpools, LocalSpools
from devbox.adapters.ssh.connection import connect
from devbox.ports.traces import SpoolSource
from devbox.tracer import layout
from devbox.traces.decode import Decoder, SegmentHead
from devbox.traces.ingest import collect, collect_some
from devbox.traces.model import Account, Span
from devbox.traces.store import Store
from tests.ssh.sshd import sshd
from tests.traces.reading import ROOT, run, started


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


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every full segment waits on disk, and is read piece by piece."""
    monkeypatch.setattr("devbox.traces.ingest.IN_MEMORY", -1)
    monkeypatch.setattr("devbox.traces.ingest.ROUND", -1)
    monkeypatch.setattr("devbox.traces.ingest.PIECE", 1 << 16)


def rounds(source: SpoolSource, store: Store) -> Iterator[list[Span]]:
    """Collect in rounds while there is more, and what each of them brought."""
    more = True
    while more:
        brought: list[Span] = []
        more = collect_some(source, store, brought.extend).more
        yield brought


@pytest.mark.usefixtures("waiting")
def test_a_spool_is_emptied_before_it_is_read(source: SpoolSource, store: Store, spool: Path) -> None:
    with started(COUNTING, spool) as process:
        ends(process, 9000)
        assert len(list(spool.glob("*.ring"))) > 2
        numbers = []
        for brought in rounds(source, store):
            if not numbers:
                assert len(list(spool.glob("*.ring"))) == 1, "the one that is being written"
            numbers += [span.attributes["number"] for span in brought]
        ends(process, 1)
    numbers += [span.attributes["number"] for brought in rounds(source, store) for span in brought]
    assert numbers == list(range(9001))
    assert store.accounts() == {"app": Account(9001)}
    assert list(spool.iterdir()) == []
    assert store.stage.names == []


@pytest.mark.usefixtures("waiting")
def test_what_waits_is_read_though_the_spool_is_gone(source: SpoolSource, store: Store, spool: Path) -> None:
    run("for number in range(9000):\n    with tracer.span('work', number=number): pass", spool)
    first = next(rounds(source, store))
    assert 0 < len(first) < 9000
    shutil.rmtree(spool)
    assert collect(source, store).spans == 9000 - len(first)
    assert {span.operation.name for span in store.spans()} == {"work"}


@pytest.mark.usefixtures("waiting")
def test_what_waits_has_its_own_bound_and_the_rest_stays_in_the_spool(
    source: SpoolSource, store: Store, spool: Path
) -> None:
    run("for number in range(9000):\n    with tracer.span('work', number=number): pass", spool)
    store.stage.bound = 3 << 20
    numbers = []
    for brought in rounds(source, store):
        assert sum(path.stat().st_blocks * 512 for path in store.stage.folder.iterdir()) <= store.stage.bound
        numbers += [span.attributes["number"] for span in brought]
    assert numbers == list(range(9000))
    assert store.accounts() == {"app": Account(9000)}


@pytest.mark.usefixtures("waiting")
def test_where_nothing_may_wait_it_stays_in_the_spool(store: Store, spool: Path, tmp_path: Path) -> None:
    (tmp_path / "traces.db.stage").write_text("in the way, as a full disk would be")
    run("for number in range(3000):\n    with tracer.span('work', number=number): pass", spool)
    there = {path.name for path in spool.iterdir()}
    found = collect_some(LocalSpools(spool), store, lambda spans: None)
    assert (found.spans, found.more) == (0, False)  # no more for now: it is tried again after a pause
    assert {path.name for path in spool.iterdir()} == there
    (tmp_path / "traces.db.stage").unlink()
    assert collect(LocalSpools(spool), store).spans == 3000


COLLECTOR = """
    import sys
    from pathlib import Path
    from devbox.adapters.spools import LocalSpools
    from devbox.traces import ingest
    from devbox.traces.store import Store
    ingest.IN_MEMORY = ingest.ROUND = -1
    ingest.PIECE = 1 << 16
    store = Store(Path({database!r}))
    print("go", flush=True)
    while True:
        ingest.collect_some(LocalSpools(Path({spool!r})), store, lambda spans: None)
"""


def test_a_collector_killed_while_segments_wait_loses_and_repeats_nothing(
    store: Store, spool: Path, tmp_path: Path
) -> None:
    rng = random.Random(7)
    code = textwrap.dedent(COLLECTOR).format(database=str(tmp_path / "traces.db"), spool=str(spool))
    total = 0
    with started(COUNTING, spool) as process:
        for _ in range(8):
            argv = [sys.executable, "-c", code]
            with subprocess.Popen(
                argv, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
            ) as one:
                assert one.stdout is not None
                one.stdout.readline()
                ends(process, 4000)
                total += 4000
                time.sleep(rng.random() * 0.2)
                one.kill()
    assert collect(LocalSpools(spool), store).spans <= total
    assert sorted(span.attributes["number"] for span in store.spans()) == list(range(total))
    assert store.accounts() == {"app": Account(total)}
    assert list(spool.iterdir()) == []


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
    assert [path.name for path in spool.iterdir()] == names[1:]  # its reader had no time to remove it


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
