"""A page's own files: read once, sent with a validator, nothing fetched from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from devbox.web.model import Refused, Request, Response

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Assets:
    """The files of one folder below templates/web, by name."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.suffix in TYPES
        }

    @property
    def names(self) -> list[str]:
        return list(self._files)

    def text(self, name: str) -> str:
        """A file as text."""
        return self._files[name].decode()

    def answer(self, request: Request, name: str) -> Response:
        """The file of that name."""
        body = self._files.get(name)
        if body is None:
            raise Refused(404, f"there is no {name}")
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        kind = TYPES["." + name.rpartition(".")[2]]
        if request.headers.get("if-none-match") == tag:
            return Response(b"", kind, 304, headers)
        if name.endswith(".html"):
            headers["Content-Security-Policy"] = policy(body.decode())
        return Response(body, kind, 200, headers)


def policy(html: str) -> str:
    """What the page may load: its own files, and the inline scripts that it was written with (by hash)."""
    inline = re.findall(r"<script[^>]*?(?<!/)>(.+?)</script>", html, re.DOTALL)
    hashes = "".join(f" '{_hash(script)}'" for script in inline)
    return (
        f"default-src 'none'; script-src 'self'{hashes}; style-src 'self' 'unsafe-inline';"
        " img-src 'self' data:; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
