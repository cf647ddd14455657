"""The recorder for containers whose image has nothing of it: a folder on the host, mounted, first on
PYTHONPATH.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import devbox.tracer
from devbox.ports.host import Script

RECORDER = "/opt/devbox-trace"
SPOOL = "/var/spool/devbox-trace"
"""Where containers see the two folders."""


@dataclass(frozen=True, slots=True)
class Injection:
    """`recorder` and `spool` are the host's folders (`~/`: the SSH user's home); `script` makes them
    ready.
    """

    recorder: str
    spool: str
    script: Script

    def environment(self, code: Sequence[str]) -> dict[str, str]:
        """What a container needs, whose own code lies in the folders `code`; `{service}` is for its name.

        RECORDER has to come first on PYTHONPATH besides.
        """
        return {
            "DEVBOX_TRACE_SPOOL": SPOOL,
            "DEVBOX_TRACE_SERVICE": "{service}",
            "DEVBOX_TRACE_CODE": ":".join(code),
        }


def injection(spool: str) -> Injection:
    """The recorder as it is here and now; a changed one gets a folder of its own, so running ones stay
    whole.
    """
    packed = _packed(Path(devbox.tracer.__file__).parent)
    folder = f"~/.local/share/devbox/recorder/{hashlib.sha256(packed).hexdigest()[:16]}"
    # The application may run as any user: what it reads is open to all, and so is where it writes, below a
    # folder that is closed to the host's other users.
    text = f"""set -eu
umask 077
mkdir -p "$HOME/{spool[2:]}"
chmod 1777 "$HOME/{spool[2:]}"
umask 022
recorder="$HOME/{folder[2:]}"
[ -d "$recorder" ] && exit 0
mkdir -p "$recorder.new.$$"
tar -xzf "$DEVBOX_STAGE/recorder.tgz" -C "$recorder.new.$$"
mv -T "$recorder.new.$$" "$recorder" 2>/dev/null || rm -rf "$recorder.new.$$"
[ -d "$recorder" ]
"""
    return Injection(folder, spool, Script(text, files={"recorder.tgz": packed}))


def _packed(package: Path) -> bytes:
    """A tar of the package as `devbox_tracer`, and of `sitecustomize` beside it; the same bytes for the
    same files.
    """
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz", compresslevel=9) as archive:
        for path in sorted(package.rglob("*.py")):
            inner = path.relative_to(package)
            name = inner.name if inner.parts[0] == "inject" else f"devbox_tracer/{inner}"
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = path.stat().st_size, 0o644
            with path.open("rb") as file:
                archive.addfile(entry, file)
    raw = bytearray(data.getvalue())
    raw[4:8] = bytes(4)  # gzip's own time stamp (RFC 1952, 2.3.1)
    return bytes(raw)
