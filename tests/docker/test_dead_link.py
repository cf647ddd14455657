"""A daemon's host that is gone without a word: no packet comes back."""

from __future__ import annotations

import errno

import pytest

from devbox.adapters.docker import dial
from devbox.ports.daemon import Endpoint, EndpointKind
from tests.rehearsal.hosts import RehearsalHost

pytestmark = pytest.mark.host


@pytest.mark.parametrize("busy", [True, False])
def test_it_is_noticed(rehearsal_host: RehearsalHost, busy: bool) -> None:
    """The kernel would repeat what we say for a quarter of an hour, and wait for ever when we say nothing."""
    sock = dial._tcp(Endpoint(EndpointKind.TLS, rehearsal_host.inner, 22))()
    with sock:
        assert sock.recv(100).startswith(b"SSH-2.0")
        sock.settimeout(120)
        rule = f"INPUT -p tcp --sport {sock.getsockname()[1]} -j DROP"
        rehearsal_host.sh(f"iptables -I {rule}")
        try:
            if busy:
                sock.sendall(b"SSH-2.0-nobody-hears-this\r\n")
            with pytest.raises(OSError, match="timed out") as noticed:
                sock.recv(100)
        finally:
            rehearsal_host.sh(f"iptables -D {rule}")
    # Given up by the kernel, not by the test's own patience.
    assert noticed.value.errno == errno.ETIMEDOUT
