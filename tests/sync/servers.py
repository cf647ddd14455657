"""SFTP servers that are not OpenSSH's, as byte channels: no SSH around them, the real protocol inside."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

import asyncssh


class Socket:
    """A connected socket as a byte channel."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def recv(self, size: int) -> bytes:
        return self.sock.recv(size)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class Asyncssh:
    """asyncssh's SFTP server behind asyncssh's SSH server, reached by asyncssh's own client channel.

    It answers out of order, and reads and writes in pieces of its own size. By how its client introduces
    itself it guesses which of a symlink's two names comes first.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="asyncssh", daemon=True)
        self._thread.start()
        self._ends: list[asyncssh.SSHClientConnection] = []
        self._server = self._do(self._listen())

    def channel(self, client: str) -> Socket:
        """A new SFTP session of a client that introduces itself so."""
        ours, theirs = socket.socketpair()
        self._do(self._carry(theirs, client))
        return Socket(ours)

    def close(self) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _do(self, work):  # type: ignore[no-untyped-def]  # whatever the coroutine gives
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> asyncssh.SSHAcceptor:
        class Anybody(asyncssh.SSHServer):
            def begin_auth(self, username: str) -> bool:
                return False

        key = asyncssh.generate_private_key("ssh-ed25519")
        self._key = key
        return await asyncssh.listen(
            "127.0.0.1", 0, server_factory=Anybody, server_host_keys=[key], sftp_factory=asyncssh.SFTPServer
        )

    async def _carry(self, theirs: socket.socket, client: str) -> None:
        port = self._server.sockets[0].getsockname()[1]
        trusted = asyncssh.import_known_hosts(f"[127.0.0.1]:{port} {self._key.export_public_key().decode()}")
        connection = await asyncssh.connect(
            "127.0.0.1", port, username="x", known_hosts=trusted, client_version=client, config=None
        )
        self._ends.append(connection)
        stdin, stdout, _ = await connection.open_session(subsystem="sftp", encoding=None)
        reader, writer = await asyncio.open_connection(sock=theirs)
        up = asyncio.ensure_future(_pump(reader, stdin))
        down = asyncio.ensure_future(_pump(stdout, writer))
        self._tasks = [*getattr(self, "_tasks", []), up, down]

    async def _end(self) -> None:
        for connection in self._ends:
            connection.close()
            await connection.wait_closed()
        self._server.close()
        await self._server.wait_closed()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _pump(source, sink) -> None:  # type: ignore[no-untyped-def]  # streams of asyncio and of asyncssh
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    with contextlib.suppress(OSError, asyncssh.Error):
        sink.close()
