"""Spool folders: one on this machine, and one on a host."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import shlex
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from devbox.errors import DevboxError
from devbox.ports.host import Finished, Host, Line, Script, Stream
from devbox.ports.traces import SpoolChunk

HEAD = 128
"""Bytes of a file's beginning that are always sent: the segment's header."""


class LocalSpools:
    """A folder on this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def poll(self, offsets: Mapping[str, int]) -> Iterator[SpoolChunk]:
        """See `SpoolSource.poll`."""
        # Whether writers live is asked before their segments are listed and read: of one that was dead
        # then we see everything; were it the other way round, its last spans could be missed.
        dead = {name.split(".")[0] for name in self._names(".meta") if not self._live(name)}
        names = self._names(".meta", ".ring")
        live = {name.split(".")[0] for name in names if name.endswith(".meta")} - dead
        for name in names:
            offset = offsets.get(name, 0)
            if offset < 0:  # whoever has read it was killed before it removed it
                self.remove([name])
                continue
            # A process removes its oldest segment when its spool is full: that one is gone then.
            with contextlib.suppress(FileNotFoundError), open(self._folder / name, "rb") as file:
                head = file.read(HEAD)
                file.seek(offset)
                data = file.read()
                yield SpoolChunk(name, head, offset, _trimmed(name, data), name.split(".")[0] in live)

    def _names(self, *ends: str) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self._folder) if name.endswith(ends))
        except FileNotFoundError:
            return []

    def _live(self, name: str) -> bool:
        try:
            with open(self._folder / name, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def remove(self, names: Iterable[str]) -> None:
        """See `SpoolSource.remove`."""
        for name in names:
            with contextlib.suppress(OSError):
                os.unlink(self._folder / name)


def _trimmed(name: str, data: bytes) -> bytes:
    """Without the part of a segment that was never written; whole slots, so that none looks unfinished."""
    if not name.endswith(".ring"):
        return data
    used = len(data.rstrip(b"\0"))
    return data[: -(-used // 64) * 64]


# One shell script per round: every file's name, whether its writer lives (asked first, as above), and its
# new bytes, compressed (the part of a segment that is still empty costs nothing then). Offsets arrive as a
# staged file, not in the command line.
_POLL = """
for folder in {folders}; do
cd "$folder" 2>/dev/null || continue
dead=/
for meta in *.meta; do
    if [ -e "$meta" ] && flock -n -x "$meta" true 2>/dev/null; then dead=$dead$meta/; fi
done
for name in $(ls); do
    case $name in *.meta|*.ring) ;; *) continue ;; esac
    offset=$(awk -v n="$name" '$1 == n {{ print $2 }}' "$DEVBOX_STAGE/offsets")
    [ "${{offset:-0}}" = -1 ] && {{ rm -f "$name" 2>/dev/null; continue; }}
    meta=${{name%%.*}}.meta
    live=1
    case $dead in */"$meta"/*) live=0 ;; esac
    [ -e "$meta" ] || live=0
    echo "file $name ${{offset:-0}} $live"
    echo "head $(head -c {head} "$name" | base64 | tr -d '\\n')"
    echo "data $(tail -c +$((${{offset:-0}} + 1)) "$name" | gzip -1 | base64 | tr -d '\\n')"
done
done
"""


_REMOVE = """
for folder in {folders}; do
    cd "$folder" 2>/dev/null && xargs rm -f <"$DEVBOX_STAGE/names" 2>/dev/null
done
true
"""


class HostSpools:
    """Folders on a host, read over its SSH connection with nothing but a shell there."""

    def __init__(self, host: Host, folders: Sequence[str]) -> None:
        self._host = host
        self._folders = " ".join(map(_quoted, folders))

    def poll(self, offsets: Mapping[str, int]) -> Iterator[SpoolChunk]:
        """See `SpoolSource.poll`."""
        listed = "".join(f"{name} {offset}\n" for name, offset in offsets.items()).encode()
        text = _POLL.format(folders=self._folders, head=HEAD)
        lines = self._run(Script(text, files={"offsets": listed}))
        for file, head, data in zip(lines, lines, lines, strict=True):
            _, name, offset, live = file.split()
            content = zlib.decompress(base64.b64decode(data[5:]), wbits=31)
            yield SpoolChunk(
                name, base64.b64decode(head[5:]), int(offset), _trimmed(name, content), live == "1"
            )

    def remove(self, names: Iterable[str]) -> None:
        """See `SpoolSource.remove`."""
        listed = "".join(f"{name}\n" for name in names).encode()
        if listed:
            text = _REMOVE.format(folders=self._folders)
            for _ in self._run(Script(text, files={"names": listed})):
                pass

    def _run(self, script: Script) -> Iterator[str]:
        said: list[str] = []
        for progress in self._host.run(script):
            if isinstance(progress, Finished) and progress.code:
                raise DevboxError(
                    "cannot read the traces on the host",
                    where=f"{self._host.address}: {self._folders}",
                    why="\n".join(said[-3:]) or f"exit code {progress.code}",
                    next_steps=["devbox doctor"],
                )
            if isinstance(progress, Line):
                if progress.stream is Stream.OUT:
                    yield progress.text
                else:
                    said.append(progress.text)


def _quoted(folder: str) -> str:
    """For the shell; a leading ~/ stays the home folder of the user there."""
    return '"$HOME"/' + shlex.quote(folder[2:]) if folder.startswith("~/") else shlex.quote(folder)
