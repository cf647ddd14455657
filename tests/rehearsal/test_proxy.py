"""The proxy delays and breaks what it should."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.rehearsal.proxy import Proxy


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that sends back what it gets."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield server.getsockname()
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def _dial(proxy: Proxy) -> socket.socket:
    return socket.create_connection(proxy.address, timeout=10)


def test_each_way_is_delayed(echo: tuple[str, int], proxy_factory: Callable[..., Proxy]) -> None:
    proxy = proxy_factory(echo, delay=0.05)
    with _dial(proxy) as connection:
        began = time.monotonic()
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
        assert time.monotonic() - began >= 0.1
    assert proxy.carried == {"up": 1, "down": 1}


def test_everything_arrives_in_order(echo: tuple[str, int], proxy_factory: Callable[..., Proxy]) -> None:
    proxy = proxy_factory(echo, delay=0.005)
    sent = bytes(range(256)) * 8192
    with _dial(proxy) as connection:
        writer = threading.Thread(
            target=lambda: (connection.sendall(sent), connection.shutdown(socket.SHUT_WR))
        )
        writer.start()
        got = b""
        while data := connection.recv(65536):
            got += data
        writer.join()
    assert got == sent


def test_cut_resets_and_accepts_again(echo: tuple[str, int], proxy_factory: Callable[..., Proxy]) -> None:
    proxy = proxy_factory(echo)
    with _dial(proxy) as connection:
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with _dial(proxy) as connection:
        connection.sendall(b"y")
        assert connection.recv(1) == b"y"
    assert proxy.accepted == 2


def test_a_black_hole_keeps_what_it_got(echo: tuple[str, int], proxy_factory: Callable[..., Proxy]) -> None:
    proxy = proxy_factory(echo)
    with _dial(proxy) as connection:
        connection.sendall(b"1")
        assert connection.recv(1) == b"1"
        proxy.blackhole()
        connection.sendall(b"2")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        proxy.resume()
        connection.settimeout(10)
        assert connection.recv(1) == b"2"


def test_refused_while_it_refuses(echo: tuple[str, int], proxy_factory: Callable[..., Proxy]) -> None:
    proxy = proxy_factory(echo)
    proxy.refuse()
    with pytest.raises(ConnectionResetError), _dial(proxy) as connection:
        connection.recv(1)
    proxy.refuse(False)
    with _dial(proxy) as connection:
        connection.sendall(b"z")
        assert connection.recv(1) == b"z"
