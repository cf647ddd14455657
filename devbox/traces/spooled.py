"""One process's spool files -> spans."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from devbox.ports.traces import SpoolChunk
from devbox.tracer.layout import PAGE
from devbox.traces.decode import Decoder, SegmentHead, parse_head
from devbox.traces.model import Process, Span
from devbox.traces.store import Progress, Store


def full(segments: Sequence[SpoolChunk]) -> list[bool]:
    """Of each of a process's segments, in their order, whether nothing more will be written to it."""
    heads = [parse_head(chunk.head) for chunk in segments]
    return [
        not chunk.live or position < len(segments) or (head is not None and head.closed)
        for position, (chunk, head) in enumerate(zip(segments, heads, strict=True), 1)
    ]


class SpoolReader:
    """Reads the files of one process, from where the store says that the last one stopped."""

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
            known = max(0, self._offsets.get(meta.name, 0) - meta.offset)
            whole = meta.data[known : meta.data.rfind(b"\n") + 1]
            text += whole.decode("utf-8", "replace")
            self._offsets[meta.name] = meta.offset + known + len(whole)
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

    def read(self, segments: Sequence[SpoolChunk]) -> list[str]:
        """Decode segments in their order; gives the names of those that are not ours to understand."""
        strange: list[str] = []
        for chunk, is_full in zip(segments, full(segments), strict=True):
            head = parse_head(chunk.head)
            if head is None:
                strange.append(chunk.name)
            else:
                self._segment(chunk, head, is_full)
        return strange

    def read_piece(self, chunk: SpoolChunk, size: int) -> int:
        """Decode about `size` bytes of a full segment that is one; gives the position after them, -1 at its
        end.
        """
        head = parse_head(chunk.head)
        assert head is not None
        if len(chunk.data) > size:
            piece = replace(chunk, data=chunk.data[:size])
            self._segment(piece, head, final=False)
            if self._offsets[chunk.name] > max(chunk.offset, PAGE):
                return self._offsets[chunk.name]
        # The rest; or the first slot was never finished: one that is looked over until the next one that was.
        self._segment(chunk, head, final=True)
        return -1

    @property
    def moved(self) -> bool:
        """Whether there is anything new to be kept."""
        return bool(self.spans) or self.progress() != self._last

    def finish(self) -> None:
        """All segments were read: when the process is dead, this was all that it will ever say."""
        if not self._live and self._meta_name:
            self._offsets[self._meta_name] = -1
            self.done.append(self._meta_name)

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
