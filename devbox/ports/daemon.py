"""The remote Docker daemon, as rooms see it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class EndpointKind(Enum):
    """How the daemon is reached (design: three kinds, one door)."""

    TLS = "tls"
    """Mutual TLS on the host's address."""
    TLS_TUNNEL = "tls-tunnel"
    """Mutual TLS on the host's loopback, carried by SSH."""
    SSH = "ssh"
    """No port at all: the daemon's Unix socket, carried by SSH."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address of a daemon. `certificates` is the folder with ca.pem, cert.pem and key.pem (TLS kinds)."""

    kind: EndpointKind
    hostname: str
    port: int = 2376
    certificates: str = ""

    @property
    def url(self) -> str:
        """The address as `DOCKER_HOST` takes it (for tunnels: the host's own end)."""
        return (
            f"tcp://{self.hostname}:{self.port}"
            if self.kind is not EndpointKind.SSH
            else f"ssh://{self.hostname}"
        )
