"""A gateway that runs one process per request, as RFC 3875 has it, behind any server that speaks FastCGI."""

from __future__ import annotations

import socketserver
import struct
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar

_RECORD = struct.Struct(">BBHHBx")
"""version, type, request, length, padding"""
_END, _PARAMS, _STDIN, _STDOUT = 3, 4, 5, 6
_MOST = 65_528


class _Gateway(socketserver.StreamRequestHandler):
    command: ClassVar[Sequence[str]]
    environment: ClassVar[Mapping[str, str]]

    def handle(self) -> None:
        received = {_PARAMS: b"", _STDIN: b""}
        while True:
            _, kind, number, length, padding = _RECORD.unpack(self.rfile.read(_RECORD.size))
            data = self.rfile.read(length + padding)[:length]
            if kind in received:
                received[kind] += data
            if kind == _STDIN and not data:
                break
        variables = dict(_pairs(received[_PARAMS]))
        script = subprocess.run(
            self.command,
            env={**self.environment, **variables, "GATEWAY_INTERFACE": "CGI/1.1"},
            input=received[_STDIN],
            stdout=subprocess.PIPE,
            check=False,
        )
        for at in range(0, len(script.stdout), _MOST):
            self._send(_STDOUT, number, script.stdout[at : at + _MOST])
        self._send(_STDOUT, number, b"")
        self._send(_END, number, bytes(8))

    def _send(self, kind: int, number: int, data: bytes) -> None:
        self.wfile.write(_RECORD.pack(1, kind, number, len(data), 0) + data)


def _pairs(data: bytes) -> Iterator[tuple[str, str]]:
    """Names and values, each length in one byte or in four (FastCGI 1.0, 3.4)."""
    at = 0
    while at < len(data):
        sizes = []
        for _ in range(2):
            long = data[at] >> 7
            sizes.append(struct.unpack_from(">I", data, at)[0] & 0x7FFFFFFF if long else data[at])
            at += 4 if long else 1
        middle, end = at + sizes[0], at + sum(sizes)
        yield data[at:middle].decode("latin-1"), data[middle:end].decode("latin-1")
        at = end


@contextmanager
def gateway(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[str]:
    """Run `command` for every request; gives the gateway's address."""
    handler = type("Gateway", (_Gateway,), {"command": command, "environment": environment})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
