"""Proofs at doors that do not behave: what is no refusal is never taken for one. The sockets are real."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devbox.adapters.tlsprobe import TlsProbe
from devbox.host import pki, prove
from devbox.host.pki import Pair
from devbox.host.prove import Door
from devbox.ports.check import Finding, Verdict
from devbox.ports.probe import Answer, Credentials, Outcome
from tests.host.test_pki import Server

NOW = time.time()


@contextlib.contextmanager
def serving(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port of ours whose every connection is treated like this."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                held.append(listener.accept()[0])
                behave(held[-1])

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        for sock in [listener, *held]:
            sock.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Credentials of ours and of a stranger."""
    authority = pki.new_authority("box", NOW)
    (tmp_path / "ca.pem").write_bytes(authority.cert)
    (tmp_path / "ca-key.pem").write_bytes(authority.key)
    pair = pki.issue(authority, pki.Use.CLIENT, "me", NOW)
    (tmp_path / "cert.pem").write_bytes(pair.cert)
    (tmp_path / "key.pem").write_bytes(pair.key)
    return tmp_path


def checked(folder: Path, port: int, timeout: float = 0.3) -> dict[str, Finding]:
    door = Door("127.0.0.1", port, "127.0.0.1", folder, folder)
    return dict(prove.run(prove.checks(door, TlsProbe(timeout))))


def answer_in_http(sock: socket.socket) -> None:
    sock.recv(4096)
    with contextlib.suppress(OSError):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


def reset(sock: socket.socket) -> None:
    sock.recv(1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@dataclass(frozen=True)
class Fault:
    """How a daemon differs from one that lets us in, and what is said about it."""

    words: str
    fix: str
    names: tuple[str, ...] = ("127.0.0.1",)
    shift: float = 0.0
    of_another: bool = False
    takes_another: bool = False


@pytest.mark.parametrize(
    "fault",
    [
        Fault("IP address mismatch", "devbox host renew   (makes", names=("10.0.0.1",)),
        Fault("certificate has expired", "devbox host renew", shift=-pki.LEAF_DAYS - 2),
        Fault("certificate is not yet valid", "timedatectl", shift=2),
        Fault("not trusted", "it shows a certificate of another authority", of_another=True),
        Fault("unknown ca", "it takes certificates of another authority", takes_another=True),
    ],
    ids=lambda fault: fault.words,
)
def test_every_failed_handshake_has_its_own_words_and_fix(folder: Path, fault: Fault) -> None:
    """The daemon is a real TLS server, OpenSSL's words are its own."""
    other = pki.new_authority("another", NOW)
    ours = Pair((folder / "ca.pem").read_bytes(), (folder / "ca-key.pem").read_bytes())
    issuer = other if fault.of_another else ours
    pair = pki.issue(issuer, pki.Use.SERVER, "box", NOW + fault.shift * 86400, fault.names)
    (folder / "daemon").mkdir()
    server = Server(folder / "daemon", other if fault.takes_another else ours, pair)
    found = checked(folder, server.address[1], 5)["with our certificate"]
    server.close()
    assert found.verdict is Verdict.FAILED
    assert fault.words in found.evidence
    assert fault.fix in found.fix


def test_a_web_server_on_the_port_is_told_from_a_daemon(folder: Path) -> None:
    with serving(answer_in_http) as port:
        found = checked(folder, port)["with our certificate"]
    assert "wrong version number" in found.evidence
    assert "does not speak TLS" in found.fix


def test_silence_is_no_refusal(folder: Path) -> None:
    with serving(lambda sock: None) as port:
        found = checked(folder, port)
    assert {one.verdict for one in found.values()} == {Verdict.FAILED}
    assert "silent, no answer within 0.3 s" in found["without a certificate"].evidence
    assert "swallows TLS" in found["with our certificate"].fix


def test_a_port_that_nobody_listens_on_is_no_refusal(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    found = checked(folder, port)
    assert {one.verdict for one in found.values()} == {Verdict.FAILED}
    assert "unreachable, Connection refused" in found["in plain HTTP"].evidence
    assert "--open-firewall" in found["with our certificate"].fix


def test_a_daemon_that_is_not_ours_is_no_refusal(folder: Path) -> None:
    other = pki.new_authority("box", NOW)
    (folder / "theirs").mkdir()
    server = Server(folder / "theirs", other, pki.issue(other, pki.Use.SERVER, "box", NOW, ["127.0.0.1"]))
    found = checked(folder, server.address[1], 5)
    server.close()
    assert found["without a certificate"].verdict is Verdict.FAILED
    assert "not trusted" in found["without a certificate"].evidence


def test_an_open_root_port_is_a_security_failure(folder: Path) -> None:
    with serving(answer_in_http) as port:
        found = checked(folder, port)
    assert found["in plain HTTP"].data["security"]
    assert found["with our certificate"].verdict is Verdict.FAILED


def test_hung_up_by_the_other_side_is_a_refusal_but_never_a_welcome(folder: Path) -> None:
    with serving(reset) as port:
        found = checked(folder, port)
    assert found["with our certificate"].verdict is Verdict.FAILED
    assert found["without a certificate"].verdict is Verdict.OK


class TwoFamilies:
    """A name with two addresses, whose doors answer as told."""

    def __init__(self, **doors: Answer) -> None:
        self._doors = doors

    def addresses(self, hostname: str, port: int) -> list[tuple[str, int]]:
        return [("10.0.0.200", port), ("2001:db8::1", port)]

    def ask(
        self,
        address: tuple[str, int],
        path: str,
        *,
        name: str = "",
        credentials: Credentials | None = None,
        method: str = "GET",
    ) -> Answer:
        return self._doors["v6" if ":" in address[0] else "v4"]


WELCOME = Answer(Outcome.LET_IN, 200, json.dumps({"ServerVersion": "28.0", "ID": "x"}).encode())
CLOSED = Answer(Outcome.UNREACHABLE, why="No route to host")


def test_one_family_that_does_not_answer_is_named(folder: Path) -> None:
    door = Door("box", 2376, "box", folder, folder)
    (welcome, *_) = (one.probe() for one in prove.checks(door, TwoFamilies(v4=WELCOME, v6=CLOSED)))
    assert welcome.verdict is Verdict.WARNING
    assert "not at 2001:db8::1:2376 (No route to host)" in welcome.evidence


def test_a_stranger_let_in_over_the_other_family_is_found(folder: Path) -> None:
    door = Door("box", 2376, "box", folder, folder)
    doors = TwoFamilies(v4=Answer(Outcome.REFUSED, why="tls: certificate required"), v6=WELCOME)
    for check in prove.checks(door, doors)[1:]:
        assert check.probe().data == {"security": True}, check.name
    silent = TwoFamilies(v4=Answer(Outcome.REFUSED, why="no"), v6=Answer(Outcome.SILENT, why="no answer"))
    assert prove.checks(door, silent)[1].probe().verdict is Verdict.FAILED
    closed = TwoFamilies(v4=Answer(Outcome.REFUSED, why="no"), v6=CLOSED)
    assert prove.checks(door, closed)[1].probe().verdict is Verdict.OK
