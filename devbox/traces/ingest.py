"""Spools -> store: reads what is new, once, however often and whenever it is called."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from devbox.ports.traces import SpoolChunk, SpoolSource
from devbox.traces.decode import parse_head
from devbox.traces.model import Span
from devbox.traces.spooled import SpoolReader, full
from devbox.traces.store import Store

IN_MEMORY = 1 << 20
"""Bytes of full segments that are read at once; when there are more, they wait on disk."""
PIECE = 1 << 20
"""Bytes of a segment that waits that are read at once."""
ROUND = 0.5
"""Seconds of reading after which one looks at the spools again, though segments wait."""
DONE, STRANGE = -1, -2
"""Positions in a segment: it was read to its end; it cannot be understood."""


@dataclass(slots=True)
class Collected:
    """What was brought. `more`: segments wait."""

    spans: int = 0
    processes: set[str] = field(default_factory=set)
    traces: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    more: bool = False


def collect(source: SpoolSource, store: Store) -> Collected:
    """Bring everything that is there now from `source` into `store`; what was read to its end is removed at
    the source.

    Spans and reading positions are committed together, so a collector that is killed anywhere neither
    loses nor repeats a span. One at a time: a command and a page may collect for the same store.
    """
    result = Collected(more=True)
    with store.collecting():
        while result.more:
            one = _Round(source, store, result)
            one.fetch()
            while one.read():
                pass
            result.more = one.without_room
    return result


def collect_some(source: SpoolSource, store: Store, onward: Callable[[list[Span]], None]) -> Collected:
    """The same in short rounds, for who has to do other things meanwhile: to be called again at
    once when there is `more`. `onward` is given the spans.
    """
    result = Collected()
    with store.collecting():
        one = _Round(source, store, result, onward)
        one.fetch()
        result.more = one.read() or one.without_room
    return result


class _Round:
    """Empties the spools first, as far as there is room, and reads then."""

    def __init__(
        self,
        source: SpoolSource,
        store: Store,
        result: Collected,
        onward: Callable[[list[Span]], None] = lambda spans: None,
    ) -> None:
        self._source = source
        self._store = store
        self._stage = store.stage
        self._result = result
        self._onward = onward
        self._in_memory = 0
        self._files: dict[str, list[SpoolChunk]] = {}
        self._left: set[str] = set()
        """Processes of which something stays in the spool: it comes after what waits already."""

    @property
    def without_room(self) -> bool:
        """Whether something stays in the spools for which there will be room."""
        return bool(self._left) and self._result.spans > 0

    def fetch(self) -> None:
        """Look at the spools, and put what is too much for now on our disk."""
        self._stage.open()
        waited = set(self._stage.names)
        for identity, chunks in self._polled():
            self._files[identity] = self._kept(identity, chunks)
        staged = [name for name in self._stage.names if name not in waited]
        for identity in {_identity(name) for name in staged}:
            self._note(identity, self._files[identity])
        self._source.remove(staged)

    def read(self) -> bool:
        """Read on in what waits, and then what is in memory; gives whether segments still wait."""
        more = self._read_staged()
        for identity in [one for one in self._files if not self._stage.holds(one)]:
            chunks = self._files.pop(identity)
            if identity not in self._left:
                self._source.remove(self._read(identity, chunks))
        self._store.hold_bound()
        return more

    def _polled(self) -> Iterator[tuple[str, list[SpoolChunk]]]:
        """Process by process, its new files."""
        waiting = dict.fromkeys(self._stage.names, -1)
        last, chunks = "", list[SpoolChunk]()
        for chunk in self._source.poll(self._store.offsets() | waiting):
            if chunks and _identity(chunk.name) != last:
                yield last, chunks
                chunks = []
            last = _identity(chunk.name)
            chunks.append(chunk)
        if chunks:
            yield last, chunks

    def _kept(self, identity: str, chunks: list[SpoolChunk]) -> list[SpoolChunk]:
        """What is read from memory after what waits of that process: everything, or its open segment."""
        segments = _segments(chunks)
        sealed = [chunk for chunk, is_full in zip(segments, full(segments), strict=True) if is_full]
        size = sum(len(chunk.data) for chunk in sealed)
        waiting = self._stage.holds(identity)
        if not waiting and self._in_memory + size <= IN_MEMORY:
            self._in_memory += size
            return chunks
        if not all(parse_head(one.head) and self._stage.takes(one) for one in sealed):
            if waiting:
                self._left.add(identity)
            return chunks
        if not all(map(self._stage.put, sealed)):  # as far as there is room
            self._left.add(identity)
        return [chunk for chunk in chunks if chunk not in sealed]

    def _note(self, identity: str, chunks: Sequence[SpoolChunk]) -> None:
        """Keep what a process says of itself: its segments wait, and may be read after it is gone."""
        reader = SpoolReader(self._store, identity)
        if reader.describe(_meta(chunks)):
            self._store.add(reader.process, [], reader.progress())

    def _read_staged(self) -> bool:
        offsets = self._store.offsets()
        end = time.monotonic() + ROUND
        is_late = False
        for name in self._stage.names:
            offset = offsets.get(name, 0)
            while offset >= 0 and not is_late:
                offset = self._read_piece(name, offset)
                is_late = time.monotonic() > end
            if offset == DONE:  # now, or by one that was killed before it removed it
                self._stage.remove(name)
            elif offset >= 0:
                return True
        return False

    def _read_piece(self, name: str, offset: int) -> int:
        """The position after it; `STRANGE` when it cannot be understood whose spans these are."""
        reader = SpoolReader(self._store, _identity(name))
        chunk = self._stage.read(name, offset)
        if not reader.describe(None) or parse_head(chunk.head) is None:
            self._result.unreadable.add(name)
            return STRANGE
        position = reader.read_piece(chunk, PIECE)
        self._keep(reader)
        return position

    def _read(self, identity: str, chunks: Sequence[SpoolChunk]) -> list[str]:
        """The files that are done with; none when it cannot be understood whose they are."""
        reader = SpoolReader(self._store, identity)
        if not reader.describe(_meta(chunks)):
            self._result.unreadable.update(one.name for one in chunks)
            return []
        self._result.unreadable.update(reader.read(_segments(chunks)))
        reader.finish()
        self._keep(reader)
        return reader.done

    def _keep(self, reader: SpoolReader) -> None:
        if reader.moved:
            self._store.add(reader.process, reader.spans, reader.progress())
        self._result.spans += len(reader.spans)
        self._result.processes.add(reader.process.identity)
        self._result.traces.update(span.trace_id for span in reader.spans)
        self._onward(reader.spans)


def _identity(name: str) -> str:
    return name.split(".", 1)[0]


def _segments(chunks: Iterable[SpoolChunk]) -> list[SpoolChunk]:
    return sorted((one for one in chunks if one.name.endswith(".ring")), key=lambda one: one.name)


def _meta(chunks: Iterable[SpoolChunk]) -> SpoolChunk | None:
    return next((one for one in chunks if one.name.endswith(".meta")), None)
