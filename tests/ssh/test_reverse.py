"""A port of the host whose connections come out here, through a real sshd."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from devbox.adapters.ssh.connection import Connection, connect
from devbox.errors import HostError
from tests.ssh.sshd import sshd


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    with sshd(tmp_path / "sshd") as server:
        config = tmp_path / "ssh_config"
        config.write_text(server.stanza("box"))
        monkeypatch.setenv("DEVBOX_SSH_CONFIG", str(config))
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        with connect("box", None) as live:
            yield live


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def echo(server: socket.socket, connections: int) -> None:
    """Answer each connection with what it said, in capitals."""
    for _ in range(connections):
        link, _address = server.accept()
        with link:
            whole = b""
            while data := link.recv(1 << 16):
                whole += data
            link.sendall(whole.upper())


def said(port: int, text: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 20) as link:
        link.sendall(text)
        link.shutdown(socket.SHUT_WR)
        whole = b""
        while data := link.recv(1 << 16):
            whole += data
        return whole


def test_connections_to_the_hosts_port_come_out_here(host: Connection) -> None:
    there = free_port()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=echo, args=(server, 3))
        thread.start()
        with host.receive(there, server.getsockname()[1]):
            assert said(there, b"hello") == b"HELLO"
            assert said(there, b"x" * 300_000) == b"X" * 300_000
            assert said(there, b"again") == b"AGAIN"
        thread.join()
    with pytest.raises(OSError):
        said(there, b"closed")


def test_where_nobody_listens_here_the_connection_ends(host: Connection) -> None:
    there = free_port()
    with host.receive(there, free_port()):
        assert said(there, b"hello") == b""


def test_a_port_that_is_taken_there_is_a_stated_failure(host: Connection) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        with pytest.raises(HostError, match="does not listen on its port"):
            host.receive(taken, 1)
