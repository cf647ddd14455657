"""Certificates: a real TLS server and client of the standard library accept them, and only them."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from devbox.adapters.tlsprobe import TlsProbe
from devbox.host import pki
from devbox.host.pki import Pair, Use
from devbox.ports.probe import Credentials

NOW = time.time()


@pytest.fixture
def authority() -> Pair:
    return pki.new_authority("box", NOW)


def _put(folder: Path, name: str, pair: Pair) -> tuple[str, str]:
    cert, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    cert.write_bytes(pair.cert)
    key.write_bytes(pair.key)
    return str(cert), str(key)


class Server:
    """A TLS server that asks for certificates of one authority and answers one request per connection."""

    def __init__(self, folder: Path, authority: Pair, server: Pair) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_verify_locations(_put(folder, "ca", authority)[0])
        context.load_cert_chain(*_put(folder, "server", server))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = ("127.0.0.1", self._listener.getsockname()[1])
        self._context = context
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock:
                try:
                    with self._context.wrap_socket(sock, server_side=True) as secured:
                        secured.recv(4096)
                        secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                except OSError:
                    continue

    def close(self) -> None:
        self._listener.close()


@pytest.mark.parametrize("name", ["127.0.0.1", "box.example.org", "BOX"])
def test_strict_checks_pass_for_every_name_and_strangers_stay_out(
    tmp_path: Path, authority: Pair, name: str
) -> None:
    names = ["127.0.0.1", "::1", "box.example.org", "box"]
    server = Server(tmp_path, authority, pki.issue(authority, Use.SERVER, "box", NOW, names))
    ca = str(tmp_path / "ca.pem")
    mine = _put(tmp_path, "mine", pki.issue(authority, Use.CLIENT, "me", NOW))
    probe = TlsProbe(5)
    welcome = probe.ask(server.address, "/", name=name, credentials=Credentials(ca, *mine))
    assert (welcome.let_in, welcome.status) == (True, 200), welcome.why
    assert welcome.expires > NOW + 700 * 86400

    other = pki.new_authority("box", NOW)
    foreign = _put(tmp_path, "foreign", pki.issue(other, Use.CLIENT, "me", NOW))
    for credentials in (Credentials(ca), Credentials(ca, *foreign)):
        refused = probe.ask(server.address, "/", name=name, credentials=credentials)
        assert refused.reached
        assert not refused.let_in
    elsewhere = probe.ask(server.address, "/", name="other.example.org", credentials=Credentials(ca, *mine))
    assert not elsewhere.let_in
    server.close()


@pytest.mark.parametrize("shift", [-pki.LEAF_DAYS - 2, 2])
def test_certificates_days_too_old_or_too_early_are_refused_and_named(
    tmp_path: Path, authority: Pair, shift: int
) -> None:
    early = pki.issue(authority, Use.SERVER, "box", NOW + shift * 86400, ["127.0.0.1"])
    server = Server(tmp_path, authority, early)
    mine = _put(tmp_path, "mine", pki.issue(authority, Use.CLIENT, "me", NOW))
    answer = TlsProbe(5).ask(
        server.address, "/", name="127.0.0.1", credentials=Credentials(str(tmp_path / "ca.pem"), *mine)
    )
    server.close()
    assert not answer.let_in
    assert "expired" in answer.why or "not yet valid" in answer.why


@pytest.mark.parametrize("days", [-20_000, -2, 2, 800])
def test_certificates_are_valid_on_both_clocks(days: int) -> None:
    """A board without a battery starts in 1970, and a clock that is ahead outlives nothing."""
    there = NOW + days * 86400
    authority = pki.new_authority("box", NOW, there)
    leaf = pki.issue(authority, Use.SERVER, "box", NOW, ["box"], there)
    for cert in (authority.cert, leaf.cert):
        for clock in (NOW, there):
            assert not pki.early(cert, clock)
            assert pki.days_left(cert, clock) > pki.LEAF_DAYS - 1


def test_a_servers_certificate_is_no_clients(tmp_path: Path, authority: Pair) -> None:
    pair = pki.issue(authority, Use.SERVER, "box", NOW, ["127.0.0.1"])
    server = Server(tmp_path, authority, pair)
    posing = _put(tmp_path, "posing", pair)
    answer = TlsProbe(5).ask(
        server.address, "/", name="127.0.0.1", credentials=Credentials(str(tmp_path / "ca.pem"), *posing)
    )
    server.close()
    assert not answer.let_in


def test_what_issued_what_is_told_apart(authority: Pair) -> None:
    leaf = pki.issue(authority, Use.CLIENT, "me", NOW)
    assert pki.issued_by(leaf.cert, authority.cert)
    assert not pki.issued_by(leaf.cert, pki.new_authority("box", NOW).cert)
    assert "PRIVATE" not in repr(leaf)
