"""Where spools come from: a local folder, or one on a host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SpoolChunk:
    """What is new in one spool file.

    `head` is the file's first bytes as they are now (counters in it change); `data` is the file from
    `offset` on,
    trailing zeros possibly left out. `live`: the writing process still runs.
    """

    name: str
    head: bytes
    offset: int
    data: bytes
    live: bool


class SpoolSource(Protocol):
    """A folder of spool files (layout: `devbox.tracer.layout`)."""

    def poll(self, offsets: Mapping[str, int]) -> Iterator[SpoolChunk]:
        """Every file of the folder, in the order of names (a process's meta file and segments together),
        from the given offset on (0 for others). Files with an offset of -1 are done with: they are left out,
        and removed if that can be. An absent folder is an empty one.

        Raises `ConnectionLost` when the host is out of reach.
        """
        ...

    def remove(self, names: Iterable[str]) -> None:
        """Remove files that were read to their end; those that may not be removed stay."""
        ...
