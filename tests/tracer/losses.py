"""Programs that record, with nobody collecting, and are killed: what of it can be read afterwards."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from devbox.adapters.spools import LocalSpools
from devbox.tracer.layout import PAGE
from devbox.traces.decode import Decoder, parse_head
from tests.traces.reading import Reader, started

PROGRAM = """
    import sys, threading

    @tracer.traced
    def plain(): pass

    def work(first, last):
        for number in range(first, last):
            if number % 10:
                plain()
            else:
                with tracer.span("told", {{"number": number, "path": "/users/12"}}): pass

    spans, threads = {spans}, {threads}
    step = spans // threads
    started = [threading.Thread(target=work, args=(one * step, (one + 1) * step)) for one in range(threads)]
    for one in started: one.start()
    for one in started: one.join()
    print(step * threads, flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class Outcome:
    """Of one program: spans that it ended, and where they are."""

    ended: int
    stored: int
    different: int
    dropped: int

    @property
    def unaccounted(self) -> int:
        """Ended, and neither stored nor counted as dropped; negative when something was stored twice."""
        return self.ended - self.different - self.dropped

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "unaccounted": self.unaccounted}


def killed(spans: int, threads: int, bound: int) -> Outcome:
    """A program ends `spans` spans into a spool of `bound` bytes, and is killed with SIGKILL."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code = PROGRAM.format(spans=spans, threads=threads)
        with started(code, folder / "spool", DEVBOX_TRACE_SPOOL_BYTES=str(bound)) as process:
            assert process.stdout is not None
            ended = int(process.stdout.readline())
            process.kill()
        ids = _read(folder / "spool")
        return Outcome(ended, len(ids), len(set(ids)), _dropped(folder))


def _read(spool: Path) -> list[str]:
    """The ids of all spans in a spool, by the decoder alone: a store has a bound of its own."""
    ids: list[str] = []
    chunks = {chunk.name: chunk for chunk in LocalSpools(spool).poll({})}
    (meta,) = (chunk for name, chunk in chunks.items() if name.endswith(".meta"))
    decoder = Decoder(meta.name, "app")
    for line in meta.data.splitlines()[1:]:
        decoder.add_site(json.loads(line))
    for name, chunk in sorted(chunks.items()):
        head = parse_head(chunk.head)
        if name.endswith(".ring") and head is not None:
            ids += (span.span_id for span in decoder.decode(head, PAGE, chunk.data[PAGE:], final=True).spans)
    return ids


def _dropped(folder: Path) -> int:
    reader = Reader(folder / "spool", folder / "traces.db")
    try:
        reader.collect()
        return reader.account().dropped
    finally:
        reader.store.close()
