"""The SpoolSource contract, held by a local folder and by a folder behind a real sshd."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devbox.adapters.spools import HostSpools, LocalSpools
from devbox.adapters.ssh.connection import connect
from devbox.ports.traces import SpoolSource
from devbox.traces.ingest import collect
from devbox.traces.store import Store
from tests.ssh.sshd import Sshd, sshd
from tests.traces.reading import run, start


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture(params=["local", "ssh"])
def source(
    request: pytest.FixtureRequest, server: Sshd, spool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SpoolSource]:
    if request.param == "local":
        yield LocalSpools(spool)
        return
    config = tmp_path / "ssh_config"
    config.write_text(server.stanza("box"))
    monkeypatch.setenv("DEVBOX_SSH_CONFIG", str(config))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
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


def test_a_running_process_is_followed(source: SpoolSource, store: Store, spool: Path) -> None:
    process = start(
        """
        import sys
        number = 0
        for line in sys.stdin:
            for _ in range(int(line)):
                with tracer.span(f"work {number % 7}", number=number): pass
                number += 1
            print("done", flush=True)
        """,
        spool,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    total = 0
    for count in (1, 500, 3, 2000, 0):
        process.stdin.write(f"{count}\n")
        process.stdin.flush()
        process.stdout.readline()
        total += count
        assert collect(source, store).spans == count
    process.kill()
    process.communicate()
    collect(source, store)
    assert sorted(span.attributes["number"] for span in store.spans()) == list(range(total))
    assert list(spool.iterdir()) == []


def test_liveness_is_the_writers(source: SpoolSource, spool: Path) -> None:
    process = start("with tracer.span('x'): pass\nprint(1, flush=True)\nimport sys; sys.stdin.read()", spool)
    assert process.stdout is not None
    process.stdout.readline()
    assert {chunk.live for chunk in source.poll({})} == {True}
    process.kill()
    process.communicate()
    assert {chunk.live for chunk in source.poll({})} == {False}


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
