"""Docker contexts as the Docker CLI keeps them: meta.json below the SHA-256 of the name, and TLS files."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from devbox.host.store import Store


def folder() -> Path:
    """The Docker CLI's own folder."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def write(store: Store, name: str, url: str, *, tls: bool) -> bool:
    """Write the context unless it is there as it should be; says whether anything was written."""
    meta, certificates = _places(name)
    document = {
        "Name": name,
        "Metadata": {"Description": f"Docker on {store.host}, prepared by devbox"},
        "Endpoints": {"docker": {"Host": url, "SkipTLSVerify": False}},
    }
    files = {meta / "meta.json": json.dumps(document).encode()}
    if tls:
        for there in ("ca.pem", "cert.pem", "key.pem"):
            files[certificates / "docker" / there] = (store.folder / there).read_bytes()
    wrong = [path for path, data in files.items() if not path.is_file() or path.read_bytes() != data]
    for path in wrong:
        _write(path, files[path])
    return bool(wrong)


def exists(name: str) -> bool:
    """Whether the Docker CLI knows a context of that name."""
    return (_places(name)[0] / "meta.json").is_file()


def remove(name: str) -> bool:
    """Take the context away; says whether it was there."""
    found = False
    for place in _places(name):
        found |= place.is_dir()
        shutil.rmtree(place, ignore_errors=True)
    return found


def _places(name: str) -> tuple[Path, Path]:
    identity = hashlib.sha256(name.encode()).hexdigest()
    return folder() / "contexts" / "meta" / identity, folder() / "contexts" / "tls" / identity


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    fresh.replace(path)
