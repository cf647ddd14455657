"""From a name to an authenticated connection: stream, key exchange, host key, authentication, jumps."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import paramiko
from paramiko.channel import Channel

from devbox.adapters.ssh import dial, known_hosts
from devbox.adapters.ssh.auth import authenticate
from devbox.adapters.ssh.known_hosts import HostKey
from devbox.adapters.ssh.resolve import Target, resolve
from devbox.adapters.ssh.wire import Wire, direct_tcpip
from devbox.errors import DevboxError, HostUnreachable
from devbox.ports.ask import Ask

_MOST_JUMPS = 8


def establish(target: Target, ask: Ask, under: contextlib.ExitStack) -> Wire:
    """An authenticated connection; whatever it rests on (jump hosts) is closed by `under`."""
    stream = _stream(target, ask, under)
    wire = _handshake(target, stream, ask)
    try:
        authenticate(wire, target, ask)
        wire.watch()
    except BaseException:
        wire.close()
        raise
    under.callback(wire.close)
    return wire


def _stream(target: Target, ask: Ask, under: contextlib.ExitStack) -> socket.socket | Channel:
    if target.proxy_command:
        return dial.proxy_command(target, under)
    if not target.jumps:
        return dial.tcp(target)
    if len(target.jumps) > _MOST_JUMPS:
        raise HostUnreachable("too many jump hosts", where=str(target.address), why=",".join(target.jumps))
    wire: Wire | None = None
    for name in target.jumps:
        wire = _hop(resolve(name), wire, ask, under)
    assert wire is not None
    return _through(wire, target)


def _hop(target: Target, before: Wire | None, ask: Ask, under: contextlib.ExitStack) -> Wire:
    """A jump host: reached directly (by its own jumps) when it is the first, else through the last one."""
    if before is None:
        return establish(target, ask, under)
    wire = _handshake(target, _through(before, target), ask)
    under.callback(wire.close)
    authenticate(wire, target, ask)
    wire.watch()
    return wire


def _through(wire: Wire, target: Target) -> Channel:
    address = target.address
    try:
        return wire.begin_channel("direct-tcpip", direct_tcpip(address.hostname, address.port)).wait(
            target.timeout
        )
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise HostUnreachable(
            f"the jump host cannot reach port {address.port}", where=str(address), why=str(error)
        ) from error


@contextlib.contextmanager
def _talking(target: Target) -> Iterator[None]:
    """paramiko's words for a failed handshake, as ours."""
    try:
        yield
    except DevboxError:
        raise
    except (paramiko.SSHException, EOFError, OSError) as error:
        why = str(error) or "the other side hung up"
        if "banner" in why:
            why = "what answers there does not speak SSH, or hangs up at once"
        raise HostUnreachable(
            "the SSH connection cannot be made",
            where=str(target.address),
            why=why,
            next_steps=[f"ssh -v {target.address.name}   (what OpenSSH says)"],
        ) from error


def _handshake(target: Target, stream: socket.socket | Channel, ask: Ask) -> Wire:
    """Key exchange and the check of the host's key: nothing of ours is sent before it was found right."""
    with _talking(target):
        wire = Wire(stream)
        known = known_hosts.entries(target)
        options = wire.get_security_options()
        options.key_types = known_hosts.preferred_kinds(known, options.key_types)
        try:
            wire.banner_timeout = wire.handshake_timeout = target.timeout
            wire.start_client(timeout=2 * target.timeout)
            key = wire.get_remote_server_key()
            _check(target, HostKey(key.get_name(), key.asbytes()), known, ask)
        except BaseException:
            wire.close()
            raise
        return wire


def _check(target: Target, offered: HostKey, known: list[known_hosts.Entry], ask: Ask) -> None:
    if known_hosts.verify(target, offered, known):
        return
    answer = ask.confirm(
        f"The host {target.address} is not known yet.\n"
        f"Its {offered.label} key is {offered.fingerprint}\n"
        "Compare it with what the host's console shows: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\n"
        "Is it right, and shall it be remembered?"
    )
    if not answer:
        raise known_hosts.unknown(target, offered)
    known_hosts.remember(target, offered)
