"""The SFTP client on links that are slow, and with servers that hang."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devbox.adapters.sftp import wire
from devbox.adapters.sftp.client import FASTEST, QUEUED, Client, Task
from devbox.adapters.sftp.over import OverSsh
from devbox.errors import ConnectionLost
from tests.sync.pipes import SERVER, Pipes, sftp_server

SILENCE = 0.5


class Slow(Pipes):
    """Answers come a few bytes at a time."""

    def recv(self, size: int) -> bytes:
        data = super().recv(min(size, 100))
        time.sleep(0.01)
        return data


def _look(path: Path) -> Task[bool]:
    (seen,) = yield [wire.lstat(bytes(path))]
    return seen.ok


def _looks(path: Path, count: int) -> Iterator[Task[bool]]:
    return (_look(path) for _ in range(count))


def test_who_asks_last_may_wait_long_while_others_are_answered(tmp_path: Path) -> None:
    """As the lock's sign of life does behind ten thousand files on their way."""
    client = Client(Slow(str(SERVER)), SILENCE)
    answers: list[bool] = []
    busy = threading.Thread(target=lambda: answers.extend(client.run(_looks(tmp_path, 300))))
    busy.start()
    start = time.monotonic()
    while not client.extensions or not client._table:
        assert time.monotonic() < start + 10
        time.sleep(0.001)
    assert client.one(_look(tmp_path))
    assert time.monotonic() - start > SILENCE, "it was answered too soon to show anything"
    busy.join()
    assert answers == [True] * 300
    client.close()


def test_letting_go_of_a_broken_connection_is_no_error() -> None:
    """paramiko's Channel.close sends a message, and says EOFError where the connection broke just before."""

    class Broken:
        def sendall(self, data: bytes) -> None:
            raise AssertionError

        def recv(self, nbytes: int) -> bytes:
            raise AssertionError

        def close(self) -> None:
            raise EOFError

    OverSsh(Broken()).close()


def test_a_server_that_hangs_is_given_up(tmp_path: Path) -> None:
    channel = sftp_server()
    client = Client(channel, SILENCE)
    channel.process.send_signal(signal.SIGSTOP)
    with pytest.raises(ConnectionLost, match=r"no answer for 0\.5 s"):
        client.one(_look(tmp_path))
    channel.process.send_signal(signal.SIGCONT)
    client.close()


class Weighed(Pipes):
    """Knows how much went to the server at once."""

    most = 0

    def send(self, data: bytes) -> None:
        self.most = max(self.most, len(data))
        super().send(data)


def _written(handle: bytes, data: bytes) -> Task[bool]:
    (reply,) = yield [wire.write(handle, 0, data)]
    return reply.ok


def test_the_server_is_not_sent_more_than_it_can_work_on(tmp_path: Path) -> None:
    """OpenSSH's copies all that waits with it, again and again."""
    channel, data = Weighed(str(SERVER)), b"x" * 8192
    client = Client(channel)
    opened = client.ask(wire.open_file(bytes(tmp_path / "f"), wire.FOR_WRITING | wire.CREATE, 0o600))
    allowed = QUEUED + FASTEST * client._round_trip
    assert allowed < 3000 * len(data), "this machine answers too slowly to show anything"
    assert all(client.run(_written(opened.blob, data) for _ in range(4000)))
    assert QUEUED / 2 < channel.most < allowed + 2 * len(data)
    client.close()
