"""Spools -> store: reads what is new, once, however often and whenever it is called."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field, replace

from devbox.ports.traces import SpoolChunk, SpoolSource
from devbox.tracer.layout import PAGE
from devbox.traces.decode import Decoder, SegmentHead, parse_head
from devbox.traces.model import Process, Span
from devbox.traces.store import Progress, Store


@dataclass(slots=True)
class Collected:
    """What one round brought."""

    spans: int = 0
    processes: int = 0
    traces: set[str] = field(default_factory=set)
    brought: list[Span] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def collect(source: SpoolSource, store: Store) -> Collected:
    """Bring everything new from `source` into `store`; what was read to its end is removed at the source.

    Spans and reading positions are committed together, so a collector that is killed anywhere neither
    loses nor
    repeats a span. One at a time: a command and a page may collect for the same store.
    """
    with store.collecting():
        return _collect(source, store)


def _collect(source: SpoolSource, store: Store) -> Collected:
    result = Collected()
    files: dict[str, list[SpoolChunk]] = defaultdict(list)
    for chunk in source.poll(store.offsets()):
        files[chunk.name.split(".", 1)[0]].append(chunk)
    for identity, chunks in files.items():
        reader = _Reader(store, identity)
        if not reader.describe(next((one for one in chunks if one.name.endswith(".meta")), None)):
            result.unreadable += [one.name for one in chunks]
            continue
        result.unreadable += reader.read(
            sorted((c for c in chunks if c.name.endswith(".ring")), key=lambda c: c.name)
        )
        store.add(reader.process, reader.spans, reader.progress())
        source.remove(reader.done)
        result.spans += len(reader.spans)
        result.processes += 1
        result.traces.update(span.trace_id for span in reader.spans)
        result.brought += reader.spans
    store.hold_bound()
    return result


class _Reader:
    """Reads the files of one process."""

    def __init__(self, store: Store, identity: str) -> None:
        self._last = store.progress(identity) or Progress(identity)
        self._offsets = dict(self._last.offsets)
        self._seen = self._last.seen
        self._account = self._last.account
        self.process = Process(identity, "", {})
        self.spans: list[Span] = []
        self.done: list[str] = []

    def describe(self, meta: SpoolChunk | None) -> bool:
        """Learn who the process is and what its sites are. False when it says nothing understandable."""
        text = self._last.meta
        if meta is not None:
            # The last line may be half written: only whole lines count.
            whole = meta.data[: meta.data.rfind(b"\n") + 1]
            text += whole.decode("utf-8", "replace")
            self._offsets[meta.name] = meta.offset + len(whole)
        lines = text.splitlines()
        try:
            resource = json.loads(lines[0])
            sites = [json.loads(line) for line in lines[1:]]
        except (IndexError, ValueError):
            return False
        self._text = text
        self._live = meta is not None and meta.live
        self._meta_name = meta.name if meta is not None else ""
        self.process = Process(self.process.identity, str(resource.get("service", "")), resource)
        self._decoder = Decoder(self.process.identity, self.process.service)
        try:
            for site in sites:
                self._decoder.add_site(site)
        except (LookupError, TypeError):  # no line of the recorder's: whatever wrote it, not to be believed
            return False
        return True

    def read(self, segments: list[SpoolChunk]) -> list[str]:
        """Decode all segments in order; gives the names of those that are not ours to understand."""
        strange: list[str] = []
        for position, chunk in enumerate(segments):
            head = parse_head(chunk.head)
            if head is None:
                strange.append(chunk.name)
                continue
            final = head.closed or position + 1 < len(segments) or not self._live
            self._segment(chunk, head, final)
        if not self._live and self._meta_name:
            self._offsets[self._meta_name] = -1
            self.done.append(self._meta_name)
        return strange

    def _segment(self, chunk: SpoolChunk, head: SegmentHead, final: bool) -> None:
        account = self._account
        if chunk.offset < PAGE:
            lost = max(0, head.before - self._seen)
            self._seen += lost
            account = replace(account, overrun=account.overrun + lost)
        start = max(chunk.offset, PAGE)
        found = self._decoder.decode(head, start, chunk.data[start - chunk.offset :], final=final)
        self.spans += found.spans
        self._seen += len(found.spans) + found.torn
        self._account = replace(
            account,
            stored=account.stored + len(found.spans),
            torn=account.torn + found.torn,
            unwritable=max(account.unwritable, head.unwritable),
            reentered=max(account.reentered, head.reentered),
        )
        self._offsets[chunk.name] = found.offset
        if final:
            self._offsets[chunk.name] = -1
            self.done.append(chunk.name)

    def progress(self) -> Progress:
        """Where this process's reading stands now."""
        # What a process said of its sites is needed as long as it may go on to write.
        text = "" if all(offset < 0 for offset in self._offsets.values()) else self._text
        return Progress(self.process.identity, self._offsets, text, self._seen, self._account)
