"""What every `ports.host.Host` must do. A test class inherits it and gives a `host` on this very machine."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from devbox.ports.host import Finished, Host, Line, Privilege, Progress, Script, Socket, Stream


def eventually(true: Callable[[], bool], within: float = 10.0) -> bool:
    """Whether it comes true soon."""
    end = time.monotonic() + within
    while not (now := true()) and time.monotonic() < end:
        time.sleep(0.02)
    return now


def texts(said: Iterable[Progress], stream: Stream = Stream.OUT) -> list[str]:
    return [one.text for one in said if isinstance(one, Line) and one.stream is stream]


def answer(host: Host, text: str, **files: bytes) -> list[str]:
    return texts(host.run(Script(text, files)))


class HostContract:
    def test_lines_in_order_and_the_end_last(self, host: Host) -> None:
        text = "for n in 1 2 3; do echo out $n; sleep 0.05; echo err $n >&2; sleep 0.05; done; exit 3"
        said = list(host.run(Script(text)))
        assert said == [
            *(Line(s, f"{s.value} {n}") for n in (1, 2, 3) for s in (Stream.OUT, Stream.ERR)),
            Finished(3),
        ]

    def test_lines_come_while_it_runs(self, host: Host, tmp_path: Path) -> None:
        go = tmp_path / "go"
        running = host.run(Script(f"echo first; while [ ! -e {go} ]; do sleep 0.02; done; echo second"))
        assert next(running) == Line(Stream.OUT, "first")
        go.touch()
        assert list(running) == [Line(Stream.OUT, "second"), Finished(0)]

    def test_last_line_without_newline_and_bytes_that_are_no_text(self, host: Host) -> None:
        said = list(host.run(Script("printf 'a\\377b\\n\\nend'")))
        assert said == [
            *(Line(Stream.OUT, one) for one in ("a\N{REPLACEMENT CHARACTER}b", "", "end")),
            Finished(0),
        ]

    def test_a_long_line_and_many_lines(self, host: Host) -> None:
        said = answer(host, "head -c 300000 /dev/zero | tr '\\0' x; echo; seq 1 20000")
        assert said == ["x" * 300000, *map(str, range(1, 20001))]

    def test_standard_input_is_empty(self, host: Host) -> None:
        assert answer(host, "cat; echo done") == ["done"]

    def test_files_are_staged_privately_and_gone_afterwards(self, host: Host) -> None:
        text = 'cd "$DEVBOX_STAGE" && pwd && stat -c %a . a sub/b && cat a sub/b'
        script = Script(text, {"a": b"A\x00\n", "sub/b": b"B"})
        stage, *rest = texts(host.run(script))
        assert rest == ["700", "600", "600", "A\x00", "B"]
        assert not Path(stage).exists()

    def test_files_are_gone_after_a_failure_and_after_being_killed(self, host: Host) -> None:
        for end in ("exit 9", "kill -KILL $$"):
            stage, *_ = answer(host, f'echo "$DEVBOX_STAGE"; {end}', a=b"secret")
            assert not Path(stage).exists()

    def test_neither_script_nor_files_are_seen_in_command_lines(self, host: Host) -> None:
        text = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; : marker-in-script"
        lines = answer(host, text, secret=b"marker-in-file")
        assert any("sh" in line for line in lines)
        assert not [line for line in lines if "marker-in" in line]

    def test_fifty_megabytes_go_through_unharmed(self, host: Host) -> None:
        data = os.urandom(50 << 20)
        assert answer(host, 'sha256sum <"$DEVBOX_STAGE/big"', big=data)[0].split()[0] == (
            hashlib.sha256(data).hexdigest()
        )

    def test_closing_early_ends_what_the_script_started_and_its_stage(self, host: Host) -> None:
        running = host.run(Script('echo "$DEVBOX_STAGE"; sleep 987 & echo $!; wait', {"a": b""}))
        stage, child = (line.text for line in (next(running), next(running)) if isinstance(line, Line))
        assert Path(stage).exists()
        running.close()
        assert eventually(lambda: not Path(f"/proc/{child}").exists())
        assert eventually(lambda: not Path(stage).exists())
        assert list(running) == []

    @pytest.mark.usefixtures("run_by_root")
    def test_root(self, host: Host) -> None:
        assert texts(host.run(Script("id -u", privilege=Privilege.ROOT))) == ["0"]

    def test_scripts_run_side_by_side(self, host: Host, tmp_path: Path) -> None:
        text = "touch {0}/{1}; until [ -e {0}/{2} ]; do sleep 0.02; done; echo met {1}"
        runs = [host.run(Script(text.format(tmp_path, *pair))) for pair in (("a", "b"), ("b", "a"))]
        assert [texts(run) for run in runs] == [["met a"], ["met b"]]

    def test_what_outlives_the_script_does_not_hold_it_up(self, host: Host) -> None:
        started = time.monotonic()
        pid = answer(host, "sleep 30 & echo $!")[0]
        assert time.monotonic() - started < 25
        host_cleanup = answer(host, f"kill {pid}; echo killed")
        assert host_cleanup == ["killed"]

    def test_forward_carries_many_connections_both_ways(self, host: Host) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            threading.Thread(target=_echo_server, args=(server,), daemon=True).start()
            with host.forward(Socket(port=server.getsockname()[1])) as forward:
                assert forward.local[0] == "127.0.0.1"
                clients = [socket.create_connection(forward.local, 10) for _ in range(20)]
                for number, client in enumerate(clients):
                    client.sendall(b"%d" % number * 1000)
                    client.shutdown(socket.SHUT_WR)
                # The server answers only after our end: a half-close must come through as one.
                for number, client in enumerate(clients):
                    assert _everything(client) == b"%d" % number * 1000
                    client.close()
            assert eventually(lambda: not _bridges())

    def test_forward_to_a_unix_socket(self, host: Host, tmp_path: Path) -> None:
        path = str(tmp_path / "socket")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen()
            threading.Thread(target=_echo_server, args=(server,), daemon=True).start()
            with (
                host.forward(Socket(path=path)) as forward,
                socket.create_connection(forward.local, 10) as client,
            ):
                client.sendall(b"over unix")
                client.shutdown(socket.SHUT_WR)
                assert _everything(client) == b"over unix"

    def test_forward_to_nobody_hangs_up(self, host: Host) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            nobody = taken.getsockname()[1]
        with (
            host.forward(Socket(port=nobody)) as forward,
            socket.create_connection(forward.local, 10) as client,
        ):
            assert _everything(client) == b""


def _bridges() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name.startswith("devbox-ssh-bridge")]


def _everything(sock: socket.socket) -> bytes:
    parts = []
    while data := sock.recv(65536):
        parts.append(data)
    return b"".join(parts)


def _echo_server(server: socket.socket) -> None:
    while True:
        try:
            sock, _ = server.accept()
        except OSError:
            return
        with sock:
            sock.sendall(_everything(sock))
