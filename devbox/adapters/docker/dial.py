"""Opening a stream to the daemon, for each kind of endpoint."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from devbox.adapters.docker.http import Dial
from devbox.adapters.docker.tls import carried
from devbox.errors import AuthError
from devbox.ports.daemon import Endpoint

_CONNECT_SECONDS = 10.0


def tls(endpoint: Endpoint) -> Dial:
    """Mutual TLS straight to the host's address; each stream for one thread."""
    context, raw = client_context(endpoint), _tcp(endpoint)

    def dial() -> socket.socket:
        secure = context.wrap_socket(raw(), server_hostname=endpoint.hostname)
        secure.settimeout(None)
        return secure

    return dial


def tls_duplex(endpoint: Endpoint) -> Dial:
    """The same, for a thread that reads while another writes."""
    return tls_inside_duplex(endpoint, _tcp(endpoint))


def tls_inside(endpoint: Endpoint, carrier: Dial) -> Dial:
    """Mutual TLS over a stream that SSH carries to the host's loopback."""
    context = client_context(endpoint)
    return lambda: context.wrap_socket(carrier(), server_hostname=endpoint.hostname)


def tls_inside_duplex(endpoint: Endpoint, carrier: Dial) -> Dial:
    """The same, for a thread that reads while another writes."""
    context = client_context(endpoint)

    def dial() -> socket.socket:
        raw = carrier()
        raw.settimeout(None)
        return carried(raw, context, endpoint.hostname)

    return dial


def _tcp(endpoint: Endpoint) -> Dial:
    def dial() -> socket.socket:
        raw = socket.create_connection((endpoint.hostname, endpoint.port), timeout=_CONNECT_SECONDS)
        keep_alive(raw)
        return raw

    return dial


def unix(path: str) -> Dial:
    """A Unix socket of this machine."""

    def dial() -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(_CONNECT_SECONDS)
        sock.connect(path)
        sock.settimeout(None)
        return sock

    return dial


def client_context(endpoint: Endpoint) -> ssl.SSLContext:
    """Our certificate, and nobody but our CA; TLS 1.2 at least."""
    folder = Path(endpoint.certificates)
    steps = ["devbox init   (makes the certificates)"]
    missing = [name for name in ("ca.pem", "cert.pem", "key.pem") if not (folder / name).is_file()]
    if missing:
        raise AuthError(
            f"no client certificate for {endpoint.hostname}",
            where=str(folder),
            why=f"{', '.join(missing)} missing",
            next_steps=steps,
        )
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(str(folder / "cert.pem"), str(folder / "key.pem"))
    except (ssl.SSLError, OSError) as error:
        raise AuthError(
            "the client certificate cannot be used", where=str(folder), why=str(error), next_steps=steps
        ) from error
    return context


def keep_alive(sock: socket.socket) -> None:
    """Notice that the other side is gone, by what it does not confirm: what we say, or a question every few
    seconds while nothing is said."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # macOS and Windows have no TCP_USER_TIMEOUT: there, what was said is repeated for minutes.
    options = (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 15_000))
    for name, value in options:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
