"""A registry with one image, to run in a container: `python3 registry.py PORT NAME`. Standard library only.

It speaks what a pull needs of the Docker Registry HTTP API V2 (manifest by tag or digest, blobs), so that a
daemon with `registry-mirrors` in its daemon.json gets NAME:latest from here.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import sys
import tarfile
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def digest(data: bytes) -> str:
    """The name of a blob."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def image(name: str) -> tuple[bytes, dict[str, bytes]]:
    """The manifest and the blobs of an image with one file that says its name."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        member = tarfile.TarInfo("name")
        member.size = len(name)
        archive.addfile(member, io.BytesIO(name.encode()))
    packed = gzip.compress(layer.getvalue(), mtime=0)
    machine = _MACHINES.get(platform.machine(), platform.machine())
    rootfs = {"type": "layers", "diff_ids": [digest(layer.getvalue())]}
    config = json.dumps({"architecture": machine, "os": "linux", "config": {}, "rootfs": rootfs}).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _described("application/vnd.docker.container.image.v1+json", config),
        "layers": [_described("application/vnd.docker.image.rootfs.diff.tar.gzip", packed)],
    }
    return json.dumps(manifest).encode(), {digest(config): config, digest(packed): packed}


def _described(kind: str, data: bytes) -> dict[str, object]:
    return {"mediaType": kind, "size": len(data), "digest": digest(data)}


class Registry(BaseHTTPRequestHandler):
    """Answers GET and HEAD below /v2/."""

    def __init__(self, name: str, *args: object) -> None:
        self.known, self.content = f"/v2/library/{name}/", image(name)
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """The manifest, a blob, or 404."""
        manifest, blobs = self.content
        kind, _, reference = self.path.removeprefix(self.known).partition("/")
        ours = self.path.startswith(self.known)
        if self.path == "/v2/":
            self._answer("application/json", b"{}")
        elif ours and kind == "manifests" and reference in ("latest", digest(manifest)):
            self._answer(MANIFEST, manifest)
        elif ours and kind == "blobs" and reference in blobs:
            self._answer("application/octet-stream", blobs[reference])
        else:
            self.send_error(404)

    do_HEAD = do_GET

    def _answer(self, kind: str, data: bytes) -> None:
        self.send_response(200)
        for header, value in {
            "Content-Type": kind,
            "Content-Length": str(len(data)),
            "Docker-Content-Digest": digest(data),
            "Docker-Distribution-API-Version": "registry/2.0",
        }.items():
            self.send_header(header, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), partial(Registry, sys.argv[2])).serve_forever()
