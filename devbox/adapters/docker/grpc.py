"""A gRPC server on one connection that the daemon turned around: in a session, dockerd calls us.

HTTP/2 by the h2 package; gRPC on top is length-prefixed messages and a status in the trailers
(github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.exceptions

OK, UNKNOWN, NOT_FOUND, UNIMPLEMENTED = 0, 2, 5, 12
_CHUNK = 65536
_PREFIX = 5


class Failed(Exception):
    """How a handler ends a call with another status than OK."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Gone(Exception):
    """The daemon ended the call or the connection."""


@dataclass(slots=True)
class Call:
    """One call: `metadata` by lower-case name, messages in, messages out."""

    server: Server
    stream: int
    metadata: Mapping[str, list[str]]
    inbox: queue.Queue[bytes | None] = field(default_factory=queue.Queue)
    partial: bytes = b""

    def receive(self) -> Iterator[bytes]:
        """The messages of the caller, until it has no more."""
        while (message := self.inbox.get()) is not None:
            yield message

    def send(self, *messages: bytes) -> None:
        """Send messages; several at once travel together, which is what makes thousands of them quick."""
        framed = (part for one in messages for part in (b"\0" + len(one).to_bytes(4, "big"), one))
        self.server.send(self.stream, b"".join(framed))

    def take(self, data: bytes) -> None:
        """Bytes of the connection: whole messages go to the inbox."""
        self.partial += data
        while len(self.partial) >= _PREFIX:
            end = _PREFIX + int.from_bytes(self.partial[1:_PREFIX], "big")
            if len(self.partial) < end:
                return
            self.inbox.put(self.partial[_PREFIX:end])
            self.partial = self.partial[end:]


Handler = Callable[[Call], None]


class Server:
    """Answers calls on `sock` until it is closed; every call has a thread of its own."""

    def __init__(self, sock: socket.socket, first: bytes, handlers: Mapping[str, Handler]) -> None:
        self._sock, self._handlers = sock, dict(handlers)
        self._calls: dict[int, Call] = {}
        self._ready = threading.Condition()
        self._closed = False
        settings = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(settings)
        self._h2.initiate_connection()
        self._thread = threading.Thread(target=self._read, args=(first,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the connection and all calls."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
        with suppress(OSError):  # the daemon was quicker
            self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._sock.close()

    def send(self, stream: int, data: bytes) -> None:
        """Send as the daemon's windows allow; `Gone` when nobody is there any more."""
        while data:
            with self._ready:
                room = self._room(stream)
                self._h2.send_data(stream, data[:room])
                self._flush()
            data = data[room:]

    def _room(self, stream: int) -> int:
        while True:
            if self._closed or stream not in self._calls:
                raise Gone
            room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
            if room > 0:
                return room
            self._ready.wait()

    def _read(self, data: bytes) -> None:
        try:
            with self._ready:
                self._flush()
            while True:
                if data:
                    self._take(data)
                data = self._sock.recv(_CHUNK)
                if not data:
                    break
        except (OSError, h2.exceptions.ProtocolError):
            pass  # the connection is over, however it ended
        with self._ready:
            self._closed = True
            for call in self._calls.values():
                call.inbox.put(None)
            self._ready.notify_all()

    def _take(self, data: bytes) -> None:
        with self._ready:
            for event in self._h2.receive_data(data):
                self._on(event)
            self._flush()
            self._ready.notify_all()

    def _on(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._begin(event)
        elif isinstance(event, h2.events.DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if event.stream_id in self._calls:
                self._calls[event.stream_id].take(event.data)
        elif isinstance(event, h2.events.StreamEnded):
            if event.stream_id in self._calls:
                self._calls[event.stream_id].inbox.put(None)
        elif isinstance(event, h2.events.StreamReset) and event.stream_id in self._calls:
            self._calls.pop(event.stream_id).inbox.put(None)

    def _begin(self, event: h2.events.RequestReceived) -> None:
        metadata: dict[str, list[str]] = {}
        for name, value in event.headers:
            metadata.setdefault(str(name).lower(), []).append(str(value))
        call = self._calls[event.stream_id] = Call(self, event.stream_id, metadata)
        threading.Thread(target=self._answer, args=(call,), daemon=True).start()

    def _answer(self, call: Call) -> None:
        path = call.metadata.get(":path", [""])[0]
        status, why = OK, ""
        try:
            with self._ready:
                headers = [(":status", "200"), ("content-type", "application/grpc")]
                self._h2.send_headers(call.stream, headers)
                self._flush()
            handler = self._handlers.get(path)
            if handler is None:
                raise Failed(UNIMPLEMENTED, f"no method {path}")
            handler(call)
        except Failed as failed:
            status, why = failed.status, str(failed)
        except (Gone, OSError, h2.exceptions.ProtocolError):
            return
        self._end(call, status, why)

    def _end(self, call: Call, status: int, why: str) -> None:
        trailers = [("grpc-status", str(status))]
        if why:
            trailers.append(("grpc-message", why.encode("ascii", "replace").decode().replace("\n", " ")))
        try:
            with self._ready:
                if self._calls.pop(call.stream, None) is not None and not self._closed:
                    self._h2.send_headers(call.stream, trailers, end_stream=True)
                    self._flush()
        except (OSError, h2.exceptions.ProtocolError):
            pass  # nobody waits for the answer any more

    def _flush(self) -> None:
        self._sock.sendall(self._h2.data_to_send())
