"""`ports.probe.Probe` with the standard library: no proxy, no environment, no cached session."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from dataclasses import replace

from devbox.ports.probe import Answer, Credentials, Outcome

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
            return Answer(Outcome.UNREACHABLE, why=error.strerror or str(error))
        with contextlib.closing(sock):
            try:
                if credentials is None:
                    return _request(sock, method, path)
                with _context(credentials).wrap_socket(sock, server_hostname=name) as secured:
                    expires = ssl.cert_time_to_seconds(str((secured.getpeercert() or {})["notAfter"]))
                    return replace(_request(secured, method, path), expires=expires)
            except (OSError, http.client.HTTPException) as error:
                return _failed(error, self._timeout)


def _failed(error: Exception, timeout: float) -> Answer:
    """What a broken conversation means: silence is no refusal, and neither is our own distrust."""
    if isinstance(error, TimeoutError):
        return Answer(Outcome.SILENT, why=f"no answer within {timeout:g} s")
    if isinstance(error, ssl.SSLCertVerificationError):
        words = f"the server's certificate is not trusted: {error.verify_message}"
        return Answer(Outcome.UNTRUSTED, why=words)
    if isinstance(error, ssl.SSLError) and error.reason:
        # OpenSSL's reason in plain words: `TLSV13_ALERT_CERTIFICATE_REQUIRED` is said as it is read.
        return Answer(Outcome.REFUSED, why=error.reason.replace("_", " ").lower())
    return Answer(Outcome.REFUSED, why=str(error) or type(error).__name__)


def _context(credentials: Credentials) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # Python 3.13's default: what we issue must pass it
    context.load_verify_locations(credentials.ca)
    if credentials.cert:
        context.load_cert_chain(credentials.cert, credentials.key)
    return context


def _request(sock: socket.socket, method: str, path: str) -> Answer:
    # TLS 1.3 refuses a client after its handshake: where nothing can be sent, the alert waits to be read.
    head = f"{method} {path} HTTP/1.1", "Host: docker", "Connection: close", "Content-Length: 0", "", ""
    with contextlib.suppress(OSError):
        sock.sendall("\r\n".join(head).encode())
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    body = response.read()
    # Go answers plain HTTP on a TLS port with a 400 of its own: that is a refusal, not the API.
    plain = response.status == 400 and b"HTTP request to an HTTPS server" in body
    why = "" if response.status < 400 else body.decode(errors="replace").strip()
    return Answer(Outcome.REFUSED if plain else Outcome.LET_IN, response.status, body, why)
