"""paramiko's Transport, with what devbox needs beyond its public methods. Only here its insides are used."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import paramiko
from paramiko.channel import Channel
from paramiko.common import cMSG_CHANNEL_OPEN, cMSG_GLOBAL_REQUEST
from paramiko.packet import Packetizer

WINDOW = 1 << 24
"""Bytes that a channel may have under way to us: 16 MB fill a 1 Gbit/s line at 130 ms."""
PACKET = 1 << 15
_PULSE = 10.0
_DEAD = 30.0
_TCP_INFO = struct.Struct("=120xQ")  # tcp_info of linux/tcp.h up to tcpi_bytes_acked
_REKEY_BYTES = 1 << 36  # RFC 4344 3.2: 2**32 blocks of a 128-bit cipher are 2**36 bytes
_REKEY_PACKETS = (1 << 31) - 1  # RFC 4344 3.1
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")


class _Heard(Packetizer):
    """A packetizer that knows when the peer was last heard."""

    heard = 0.0
    asked = 0.0
    """When the first thing was said that nothing was heard after."""

    def read_message(self) -> Any:
        message = super().read_message()
        self.heard = time.monotonic()
        return message

    def send_message(self, data: Any) -> None:
        if self.asked <= self.heard:
            self.asked = time.monotonic()
        super().send_message(data)

    @property
    def unanswered(self) -> float:
        """Seconds since something was said that nothing was heard after; 0 when nothing is due."""
        return time.monotonic() - self.asked if self.asked > self.heard else 0.0


class Pending:
    """A channel that was asked for; `wait` gives it."""

    __slots__ = ("_channel", "_event", "_wire")

    def __init__(self, wire: Wire, channel: Channel, event: threading.Event) -> None:
        # The transport itself holds channels weakly: without this reference the answer finds nobody.
        self._wire, self._channel, self._event = wire, channel, event

    def wait(self, timeout: float) -> Channel:
        """The open channel; refused, timed out or broken is an `SSHException`."""
        end = time.monotonic() + timeout
        while not self._event.wait(0.1) and self._wire.is_active():
            if time.monotonic() > end:
                raise paramiko.SSHException("the host did not answer in time")
        if self._wire._channels.get(self._channel.chanid) is None or not self._wire.is_active():
            raise self._wire.get_exception() or paramiko.SSHException("the connection is closed")
        return self._channel


class Wire(paramiko.Transport):
    """One SSH connection. It opens any kind of channel without waiting, and notices its death."""

    packetizer: _Heard
    _channels: Any
    _next_channel: Callable[[], int]
    _send_user_message: Callable[[paramiko.Message], None]

    def __init__(self, sock: socket.socket | Channel) -> None:
        super().__init__(
            sock, default_window_size=WINDOW, default_max_packet_size=PACKET, packetizer_class=_Heard
        )
        self.daemon = True
        self.patience = _DEAD
        """Seconds without any sign of life, while something is due, after which the other side is gone."""
        self.packetizer.REKEY_BYTES = _REKEY_BYTES
        self.packetizer.REKEY_PACKETS = _REKEY_PACKETS
        options = self.get_security_options()
        options.ciphers = [cipher for cipher in _CIPHERS if cipher in options.ciphers]
        options.kex = sorted(options.kex, key=lambda kex: "group" in kex)

    def begin_channel(self, kind: str, details: bytes = b"") -> Pending:
        """Ask for a channel (RFC 4254 5.1); `details` is what follows the packet size, already encoded."""
        if not self.is_active():
            raise paramiko.SSHException("the connection is closed")
        with self.lock:
            number = self._next_channel()
            channel: Any = Channel(number)
            self._channels.put(number, channel)
            self.channel_events[number] = event = threading.Event()
            self.channels_seen[number] = True
            channel._set_transport(self)
            channel._set_window(WINDOW, PACKET)
        message = paramiko.Message()
        message.add_byte(cMSG_CHANNEL_OPEN)
        message.add_string(kind)
        message.add_int(number)
        message.add_int(WINDOW)
        message.add_int(PACKET)
        message.add_bytes(details)
        self._send_user_message(message)
        return Pending(self, channel, event)

    def send_request(self, channel: Channel, kind: str, value: str) -> None:
        """An `exec` or `subsystem` request (RFC 4254 6.5), not waited for: if refused, the channel ends."""
        message = paramiko.Message()
        message.add_byte(paramiko.common.cMSG_CHANNEL_REQUEST)
        message.add_int(channel.remote_chanid)
        message.add_string(kind)
        message.add_boolean(True)
        message.add_string(value)
        self._send_user_message(message)

    def stop_thread(self) -> None:
        """See paramiko. The stream is ended first: who waits for a socket is not woken when it is closed."""
        self.active = False
        if isinstance(self.sock, socket.socket):
            with contextlib.suppress(OSError):  # the other side was quicker, or it is closed already
                self.sock.shutdown(socket.SHUT_RDWR)
        super().stop_thread()

    def watch(self, pulse: float = _PULSE, dead: float = _DEAD) -> None:
        """Ask for a sign of life after `pulse` silent seconds; close the connection after `dead` ones."""
        self.packetizer.heard = time.monotonic()
        # paramiko looks ten times a second whether it was closed: most of what an idle process would do.
        self.sock.settimeout(pulse)
        threading.Thread(target=self._watch, args=(pulse, dead), name="devbox-ssh-pulse", daemon=True).start()

    def _watch(self, pulse: float, dead: float) -> None:
        acked, pinged = 0, 0.0
        while self.is_active():
            tick, before = min(pulse, self.patience / 5, 1.0), time.monotonic()
            self.join(tick)
            if time.monotonic() - before > tick + 1:  # we were stopped: what came meanwhile is not read yet
                self.packetizer.heard = time.monotonic()
                self._ping()
                continue
            carried, acked = self._acked() > acked, self._acked()
            silence = time.monotonic() - self.packetizer.heard
            if silence > dead or (self.packetizer.unanswered > self.patience and not carried):
                self.close()
            elif silence >= pulse * 0.9 or (
                self.packetizer.unanswered > tick and pinged != self.packetizer.asked
            ):
                pinged = self.packetizer.asked  # once: what our own ping has moved is no sign of life
                self._ping()

    def _acked(self) -> int:
        """Bytes that the other machine's kernel confirmed: a slow uplink moves though nothing is heard."""
        if not isinstance(self.sock, socket.socket) or not hasattr(socket, "TCP_INFO"):
            return 0
        try:
            info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        except OSError:
            return 0
        return int(_TCP_INFO.unpack(info)[0]) if len(info) == _TCP_INFO.size else 0

    def _ping(self) -> None:
        """A request that every server must answer, if only with a no (RFC 4254 4)."""
        message = paramiko.Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)
        try:
            self._send_user_message(message)
        except (paramiko.SSHException, OSError, EOFError):
            self.close()


def direct_tcpip(host: str, port: int) -> bytes:
    """The details of a direct-tcpip channel (RFC 4254 7.2)."""
    message = paramiko.Message()
    message.add_string(host)
    message.add_int(port)
    message.add_string("127.0.0.1")
    message.add_int(0)
    return message.asbytes()


def direct_streamlocal(path: str) -> bytes:
    """The details of a direct-streamlocal@openssh.com channel (OpenSSH's PROTOCOL file, 2.4)."""
    message = paramiko.Message()
    message.add_string(path)
    message.add_string("")
    message.add_int(0)
    return message.asbytes()
