"""`ports.probe.Probe` with the standard library: no proxy, no environment, no cached session."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from dataclasses import replace

from devbox.ports.probe import Answer, Credentials

_TIMEOUT = 10.0


class TlsProbe:
    """One connection per question, so that nothing of one answer helps the next."""

    def __init__(self, timeout: float = _TIMEOUT) -> None:
        self._timeout = timeout

    def addresses(self, hostname: str, port: int) -> list[tuple[str, int]]:
        """See `ports.probe.Probe.addresses`."""
        try:
            found = socket.getaddrinfo(hostname, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return []
        return list(dict.fromkeys((str(entry[4][0]), int(entry[4][1])) for entry in found))

    def ask(
        self,
        address: tuple[str, int],
        path: str,
        *,
        name: str = "",
        credentials: Credentials | None = None,
        method: str = "GET",
    ) -> Answer:
        """See `ports.probe.Probe.ask`."""
        try:
            sock = socket.create_connection(address, self._timeout)
        except OSError as error:
            return Answer(reached=False, why=error.strerror or str(error))
        with contextlib.closing(sock):
            try:
                if credentials is None:
                    return _request(sock, method, path)
                with _context(credentials).wrap_socket(sock, server_hostname=name) as secured:
                    expires = ssl.cert_time_to_seconds(str((secured.getpeercert() or {})["notAfter"]))
                    return replace(_request(secured, method, path), expires=expires)
            except ssl.SSLError as error:
                return Answer(reached=True, why=_words(error))
            except (OSError, http.client.HTTPException) as error:
                return Answer(reached=True, why=str(error) or type(error).__name__)


def _context(credentials: Credentials) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # Python 3.13's default: what we issue must pass it
    context.load_verify_locations(credentials.ca)
    if credentials.cert:
        context.load_cert_chain(credentials.cert, credentials.key)
    return context


def _request(sock: socket.socket, method: str, path: str) -> Answer:
    sock.sendall(
        f"{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()
    )
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    body = response.read()
    # Go answers plain HTTP on a TLS port with a 400 of its own: that is a refusal, not the API.
    let_in = not (response.status == 400 and b"HTTP request to an HTTPS server" in body)
    why = "" if response.status < 400 else body.decode(errors="replace").strip()
    return Answer(True, let_in, response.status, body, why)


def _words(error: ssl.SSLError) -> str:
    """OpenSSL's reason in plain words: `TLSV13_ALERT_CERTIFICATE_REQUIRED` is said as it is read."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted: {error.verify_message}"
    return (error.reason or str(error)).replace("_", " ").lower()
