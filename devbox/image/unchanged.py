"""Whether a build would give what is there already: then nothing has to travel, not even the list of files.

BuildKit's protocol for files (fsutil) always begins with the whole list; a digest of it cannot be sent
instead. So the comparison that BuildKit would make is made here: by path, kind, mode, size, time and target
of every entry, as fsutil does, and the bytes of the Dockerfile.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path

from devbox.image.analyse import bases
from devbox.image.build import Plan, Result
from devbox.ports.daemon import Daemon

_FORMAT = 2
_DAY = 86400.0


class Memory:
    """The last good build per tag, in a file of this machine that may be lost at any time."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def read(self) -> dict[str, dict[str, str]]:
        """Tag to fingerprint and image."""
        try:
            data = json.loads(self.file.read_text())
        except (OSError, ValueError):
            return {}
        known = data.get("builds") if isinstance(data, dict) and data.get("format") == _FORMAT else None
        return known if isinstance(known, dict) else {}

    def keep(self, tag: str, mark: str, image: str) -> None:
        """Remember a build that went well."""
        known = {**self.read(), tag: {"fingerprint": mark, "image": image}}
        unfinished = self.file.with_suffix(".new")
        with contextlib.suppress(OSError):  # without it the next build just asks the host
            self.file.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(json.dumps({"format": _FORMAT, "builds": known}))
            unfinished.replace(self.file)


def fingerprint(daemon: Daemon, wanted: Plan) -> str:
    """Changes when the build could give something else; "" when that cannot be told from here."""
    request = wanted.request
    text = wanted.dockerfile.read_text(encoding="utf-8", errors="replace")
    names = None if request.no_cache or request.pull else bases(text, request.args)
    if names is None:
        return ""
    found = hashlib.sha256(text.encode())
    for entry in wanted.context.entries():
        facts = (entry.path, entry.kind.value, entry.mode, entry.size, entry.mtime, entry.target)
        found.update(repr(facts).encode(errors="surrogateescape"))
    options = (
        request.target,
        request.platform,
        request.cache_from,
        request.builder.value,
        request.dockerfile,
    )
    hidden = {name: hashlib.sha256(value).hexdigest() for name, value in request.secrets.items()}
    rest = (options, dict(request.args), dict(request.labels), hidden, _images(daemon, names))
    found.update(repr(rest).encode())
    return found.hexdigest()


def _images(daemon: Daemon, names: tuple[str, ...]) -> Mapping[str, str]:
    """What base images are now. The registry's are looked at again every day."""
    today = f"registry {time.time() // _DAY:.0f}"
    images = ((name, daemon.image(name)) for name in names)
    return {name: image.id if image else today for name, image in images}


def known(daemon: Daemon, memory: Memory, tag: str, mark: str) -> Result | None:
    """The image that such a build would give, if the host still has it under its tag."""
    before = memory.read().get(tag, {})
    if not mark or before.get("fingerprint") != mark:
        return None
    image = daemon.image(tag)
    return Result(image.id, tag, 0, 0, 0) if image and image.id == before.get("image") else None
