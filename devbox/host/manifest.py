"""The manifest on the host: what devbox put there, and what stood there before. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from devbox.host.model import MANIFEST, Change, Facts, File, digest

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Owned:
    """One file: the sum that devbox left (`None`: it took the file away), and what was there before."""

    path: str
    sha256: str | None
    old: File | None = None
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """What devbox did to a host. `authority` is the fingerprint of the CA, `owner` who did it.

    `resting`: those of Docker's units that did not run before; not known of hosts prepared by older versions.
    """

    authority: str
    owner: str
    port: int
    files: tuple[Owned, ...] = ()
    resting: tuple[str, ...] = ()

    def of(self, path: str) -> Owned | None:
        """What is known about that file."""
        return next((one for one in self.files if one.path == path), None)

    def after(self, changes: Iterable[Change]) -> Manifest:
        """The manifest after these changes; what stood there at first stays remembered."""
        files = {one.path: one for one in self.files}
        for change in changes:
            if change.path == MANIFEST:
                continue
            known = files.get(change.path)
            untouched = known.old if known else None if change.secret else change.old
            files[change.path] = Owned(
                change.path,
                None if change.new is None else digest(change.new),
                untouched,
                change.keep or bool(known and known.keep),
            )
        return replace(self, files=tuple(files.values()))

    def dump(self) -> bytes:
        """As it stands on the host: JSON, one root-only file."""
        document = {
            "format": FORMAT,
            "authority": self.authority,
            "owner": self.owner,
            "port": self.port,
            **({"resting": list(self.resting)} if self.resting else {}),
            "files": [_owned(one) for one in self.files],
        }
        return (json.dumps(document, indent=2) + "\n").encode()


def read(facts: Facts) -> Manifest | None:
    """The host's manifest; `None` when there is none that can be understood."""
    file = facts.files.get(MANIFEST)
    if file is None or file.content is None:
        return None
    try:
        document = json.loads(file.content)
        if document["format"] != FORMAT:
            return None
        return Manifest(
            document["authority"],
            document["owner"],
            int(document["port"]),
            tuple(_read_owned(one) for one in document["files"]),
            tuple(map(str, document.get("resting", ()))),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _owned(one: Owned) -> dict[str, Any]:
    data: dict[str, Any] = {"path": one.path, "sha256": one.sha256, "keep": one.keep, "old": None}
    if one.old is not None:
        content = base64.b64encode(one.old.content or b"").decode()
        data["old"] = {"mode": f"{one.old.mode:o}", "owner": one.old.owner, "content": content}
    return data


def _read_owned(data: Mapping[str, Any]) -> Owned:
    old = data["old"]
    file = None
    if old is not None:
        file = File(data["path"], int(old["mode"], 8), old["owner"], base64.b64decode(old["content"]))
    return Owned(data["path"], data["sha256"], file, bool(data["keep"]))
