"""Certificates for other people. dockerd knows no revocation lists: to revoke is to change the authority."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from pathlib import Path

from devbox.errors import HostError
from devbox.host import pki
from devbox.host.pki import Use
from devbox.host.store import Store

_FILE = "grants.json"
_HOW = """Your way to Docker on {host}, as good as root there: keep it to yourself.

Unpack into a folder of your own (mode 0700), then:
  docker context create {context} --docker "host={url},ca=ca.pem,cert=cert.pem,key=key.pem"
  docker --context {context} version
"""


def bundle(store: Store, name: str, url: str, path: Path, now: float) -> None:
    """Write a tar (0600) with a certificate for `name`, and remember that it was given."""
    authority = store.pair("authority")
    if authority is None:
        raise HostError("this host's authority is not kept here", where=str(store.folder))
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,39}", name):
        raise HostError("a name has letters, digits, '.', '-', '_' and '@'", where=repr(name))
    pair = pki.issue(authority, Use.CLIENT, name, now)
    how = _HOW.format(host=store.host, context=store.context, url=url)
    files = {"ca.pem": authority.cert, "cert.pem": pair.cert, "key.pem": pair.key, "README": how.encode()}
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise HostError("the bundle cannot be written", where=str(path), why=error.strerror or "") from error
    with os.fdopen(handle, "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
        for member, data in files.items():
            entry = tarfile.TarInfo(member)
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(now)
            tar.addfile(entry, io.BytesIO(data))
    given = names(store) | {name: f"{pki.serial(pair.cert):x}"}
    store.write(_FILE, (json.dumps(given, indent=2) + "\n").encode())


def names(store: Store) -> dict[str, str]:
    """Who was given a certificate: name to serial number."""
    try:
        return dict(json.loads((store.folder / _FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def without(store: Store, name: str) -> list[str]:
    """Everybody else; a name that was never given one is a `HostError`."""
    given = names(store)
    if name not in given:
        known = ", ".join(sorted(given)) or "nobody"
        raise HostError(f"{name} was not given a certificate", where=store.host, why=f"given: {known}")
    return sorted(set(given) - {name})


def clear(store: Store) -> None:
    """Forget all that were given: under a new authority none is good."""
    (store.folder / _FILE).unlink(missing_ok=True)
