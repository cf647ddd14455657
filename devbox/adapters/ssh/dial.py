"""The byte stream under an SSH connection: TCP over either family, or a ProxyCommand."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from typing import Any

from devbox.adapters.ssh.resolve import Target
from devbox.errors import HostUnreachable


class _Prompt(socket.socket):
    """A socket that acknowledges at once what it has read, and reads all that is there at once.

    sshd leaves Nagle's algorithm on for sessions without a terminal: its next small packet waits for our
    acknowledgement of the last one, which the kernel would hold back for 40 ms (RFC 896, RFC 1122 4.2.3.2).
    And paramiko asks for every packet in two pieces, of which each is three system calls and a change of
    threads: with a first sync's ten thousand small answers that costs more than to decrypt them.
    """

    _here, _at = b"", 0

    def recv(self, size: int, flags: int = 0) -> bytes:
        """The next bytes; for one thread, and without flags once anything was read."""
        if self._at == len(self._here):
            self._here, self._at = super().recv(_PIECE, flags), 0
            if _QUICK_ACK is not None:
                self.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)  # good for one time only: tcp(7)
        data = self._here[self._at : self._at + size]
        self._at += len(data)
        return data


_PIECE = 1 << 16
_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)


def tcp(target: Target) -> socket.socket:
    """A connected TCP socket; every address of the name is tried in turn."""
    address = target.address
    where = str(address)
    last: OSError = OSError("the name has no address")
    for family, sockaddr in lookup(target):
        sock = _Prompt(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(target.timeout)
            sock.connect(sockaddr)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            last = error
        else:
            return sock
    raise _refusal(last, target, where) from last


def lookup(target: Target) -> list[tuple[socket.AddressFamily, tuple[Any, ...]]]:
    """The addresses of the target's name."""
    address = target.address
    try:
        found = socket.getaddrinfo(address.hostname, address.port, target.family, socket.SOCK_STREAM)
        return [(one[0], one[4]) for one in found]
    except (OSError, UnicodeError) as error:
        raise HostUnreachable(
            "the name cannot be resolved",
            where=address.hostname,
            why=getattr(error, "strerror", None) or str(error),
            next_steps=[
                f"check the spelling: {address.name!r}",
                f"getent hosts {address.hostname}",
                f"ssh -G {address.name} | grep -i ^hostname   (what your ssh config makes of it)",
            ],
        ) from error


def _refusal(error: OSError, target: Target, where: str) -> HostUnreachable:
    port = target.address.port
    if isinstance(error, ConnectionRefusedError):
        return HostUnreachable(
            f"nothing listens on port {port}",
            where=where,
            why="connection refused",
            next_steps=[
                "on the host: systemctl status ssh   (is sshd running?)",
                "is it another port? host: ssh://USER@HOST:PORT, or Port in ~/.ssh/config",
            ],
        )
    if isinstance(error, TimeoutError):
        return HostUnreachable(
            f"port {port} does not answer within {target.timeout:g} s",
            where=where,
            why="connection timed out: the host is down, or a firewall drops the packets",
            next_steps=[f"ping {target.address.hostname}", "check the VPN and the firewall"],
        )
    return HostUnreachable(
        f"port {port} cannot be reached",
        where=where,
        why=error.strerror or str(error),
        next_steps=[f"ping {target.address.hostname}", "ip route   (is there a way to it?)"],
    )


def proxy_command(target: Target, under: contextlib.ExitStack) -> socket.socket:
    """One end of a socket pair whose other end is the ProxyCommand's stdin and stdout; `under` ends it."""
    ours, theirs = socket.socketpair()
    with contextlib.closing(theirs):
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {target.proxy_command}"], stdin=theirs.fileno(), stdout=theirs.fileno()
        )
    under.callback(_end, process)
    under.callback(ours.close)
    return ours


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()
