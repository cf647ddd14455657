"""nginx in front of the services: its own configuration in its own folder, never the system's service."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from devbox.rendering import templates_dir
from devbox.workload.servers.routes import ROUTES, page
from devbox.workload.settings import Place, Settings

LOG_LIMIT = 16 << 20
"""Bytes after which the access log is begun anew."""


def configuration(prefix: Path, settings: Settings, addresses: Mapping[str, str]) -> str:
    """nginx.conf: `addresses` are the services' IP addresses, for nginx resolves a name once and for all."""
    upstreams = [
        f"    upstream {name} {{ server {_socket(addresses[name], place)} max_fails=0; keepalive 16; }}\n"
        for name, place in settings.places.items()
        if name in addresses
    ]
    locations = [
        f"        location {path} {{ proxy_pass http://{to}; }}\n" if to in addresses
        else f"        location {path} {{ return 503; }}\n"
        for path, to in ROUTES.items()
    ]  # fmt: skip
    text = (templates_dir() / "web" / "nginx.conf").read_text()
    words = {
        "@PREFIX@": str(prefix),
        # Started by root, nginx would make its worker nobody, who can read neither the page nor the prefix.
        "@USER@": "user root;\n" if os.geteuid() == 0 else "",
        "@LISTEN@": f"{settings.listen}:{settings.gateway}",
        "@PAGES@": str(page().parent),
        "@UPSTREAMS@": "".join(upstreams),
        "@LOCATIONS@": "".join(locations).rstrip("\n"),
    }
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _socket(address: str, place: Place) -> str:
    return f"[{address}]:{place.http}" if ":" in address else f"{address}:{place.http}"


class Nginx:
    """One nginx, configured anew when a service has moved to another address (as restarted containers do)."""

    def __init__(self, prefix: Path, settings: Settings) -> None:
        self._prefix = prefix
        self._settings = settings
        self._addresses: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """The access log."""
        return self._prefix / "access.log"

    def start(self) -> None:
        """Write the configuration and start it."""
        self._prefix.mkdir(parents=True, exist_ok=True)
        self.log.touch()
        self._addresses = self._resolve()
        self._write()
        self._process = subprocess.Popen(
            [
                self._settings.nginx,
                "-p",
                str(self._prefix),
                "-c",
                str(self._prefix / "nginx.conf"),
                "-e",
                "stderr",
            ]
        )

    def follow(self) -> None:
        """Look whether services have moved, and tell nginx."""
        now = self._resolve()
        if now != self._addresses and self._process is not None:
            self._addresses = now
            self._write()
            self._process.send_signal(signal.SIGHUP)

    def _write(self) -> None:
        text = configuration(self._prefix, self._settings, self._addresses)
        (self._prefix / "nginx.conf").write_text(text)

    def _resolve(self) -> dict[str, str]:
        found = {}
        for name, place in self._settings.places.items():
            try:
                found[name] = str(socket.getaddrinfo(place.host, place.http)[0][4][0])
            except OSError:
                continue  # not there yet: its paths answer 503, and `follow` looks again
        return found

    def rotate(self) -> None:
        """Begin a new access log when this one is long; the last one is kept."""
        if self._process is not None and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_name("access.log.1"))
            self._process.send_signal(signal.SIGUSR1)

    @property
    def ended(self) -> int | None:
        """Its exit code, `None` while it runs."""
        return self._process.poll() if self._process else None

    def stop(self) -> None:
        """End it and wait."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
