"""A TCP proxy that delays and breaks links: each direction is held back, bandwidth is not limited."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
_PIECE = 1 << 18


class _Way:
    """One direction of one connection: what comes in leaves `delay` seconds later, in order."""

    def __init__(
        self, proxy: Proxy, source: asyncio.StreamReader, sink: asyncio.StreamWriter, name: str
    ) -> None:
        self.proxy, self.source, self.sink, self.name = proxy, source, sink, name
        self.held: deque[tuple[float, bytes]] = deque()
        self.arrived = asyncio.Event()

    async def run(self) -> None:
        await asyncio.gather(self._read(), self._write())

    async def _read(self) -> None:
        data = b"-"
        while data:
            try:
                data = await self.source.read(_PIECE)
            except OSError:
                data = b""
            self.held.append((time.monotonic() + self.proxy.delay, data))
            self.arrived.set()

    async def _write(self) -> None:
        while True:
            while not self.held:
                self.arrived.clear()
                await self.arrived.wait()
            due, data = self.held.popleft()
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            await self.proxy.open.wait()
            if not data:
                with contextlib.suppress(OSError):
                    self.sink.write_eof()
                return
            self.proxy.carried[self.name] += len(data)
            try:
                self.sink.write(data)
                await self.sink.drain()
            except OSError:
                return


class Proxy:
    """Listens on a free port of 127.0.0.1 and carries connections to `target`.

    `delay` is one way, in seconds (0.025 makes a round trip of 50 ms), and may be changed while it runs.
    """

    def __init__(
        self, target: tuple[str, int], delay: float = 0.0, listen: tuple[str, int] = ("127.0.0.1", 0)
    ) -> None:
        self.target, self.delay = target, delay
        self.carried = {"up": 0, "down": 0}
        self.accepted = 0
        self.refusing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self.open = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._start(listen), self._loop).result(10)
        self.address: tuple[str, int] = self._server.sockets[0].getsockname()[:2]

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self.address[1]

    async def _start(self, listen: tuple[str, int]) -> asyncio.Server:
        self.open.set()
        return await asyncio.start_server(self._accept, *listen)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.refusing:
            _reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            _reset(writer)
            return
        ends = (writer, far_writer)
        for end in ends:
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._writers.update(ends)
        up = _Way(self, reader, far_writer, "up")
        down = _Way(self, far_reader, writer, "down")
        try:
            # Cancelled only by `close`, which has nobody to tell.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(up.run(), down.run())
        finally:
            self._writers.difference_update(ends)
            for end in ends:
                end.close()

    def cut(self) -> None:
        """Reset every connection; new ones are accepted."""
        self._call(lambda: [_reset(writer) for writer in list(self._writers)])

    def blackhole(self) -> None:
        """Carry nothing any more, keep every connection open: the cable is out."""
        self._call(self.open.clear)

    def resume(self) -> None:
        """Carry again, what was held back first."""
        self._call(self.open.set)

    def refuse(self, refusing: bool = True) -> None:
        """Reset new connections as they come (or accept them again)."""
        self.refusing = refusing

    def close(self) -> None:
        """Reset everything and stop listening."""
        self.cut()
        self._call(self._server.close)
        asyncio.run_coroutine_threadsafe(self._drain(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _drain(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _call(self, do: Callable[[], _T]) -> None:
        done = threading.Event()

        def step() -> None:
            do()
            done.set()

        self._loop.call_soon_threadsafe(step)
        done.wait(10)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, AttributeError):
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def main() -> None:
    """Run one from the command line until it is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="one way")
    args = parser.parse_args()
    (host, _, port), (near, _, own) = args.to.rpartition(":"), args.listen.rpartition(":")
    with Proxy((host, int(port)), args.delay_ms / 1000, (near, int(own))) as proxy:
        print(f"{proxy.address[0]}:{proxy.port}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
