"""A shop of real processes for tests: asked over HTTP, watched through its spool."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from devbox.tracer.layout import PAGE
from devbox.traces.decode import Decoder, parse_head
from devbox.traces.model import Span
from devbox.workload.local import Shop, spool

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the shop answered."""

    status: int
    body: Any
    trace: str


@dataclass(frozen=True, slots=True)
class Running:
    """A running shop."""

    shop: Shop

    def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request to the gateway."""
        where = urlsplit(self.shop.gateway)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
        try:
            text = None if body is None else json.dumps(body)
            given = {"Content-Type": "application/json"} if text is not None else {}
            connection.request(method, path, text, {**given, **(headers or {})})
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        kind = response.headers.get("content-type", "")
        parsed = json.loads(data) if "json" in kind else data.decode()
        return Answer(response.status, parsed, response.headers.get("X-Trace-Id", ""))

    def order(self, user: str = "u1", item: str = "cup", quantity: int = 2, key: str = "") -> Answer:
        """Place an order."""
        headers = {"Idempotency-Key": key} if key else {}
        return self.ask("POST", "/orders", {"user": user, "item": item, "quantity": quantity}, headers)

    def spans(self, trace: str = "") -> list[Span]:
        """All spans so far, or those of one trace, by start."""
        found = read_spool(spool(self.shop.state))
        return sorted((s for s in found if not trace or s.trace_id == trace), key=lambda s: s.start)

    def whole_trace(self, trace: str, last: str = "Notifications.order_paid") -> list[Span]:
        """The spans of a trace once it has come to its last function."""

        def ended() -> list[Span] | None:
            spans = self.spans(trace)
            names = {span.operation.name for span in spans}
            gateway = any(span.operation.service == "gateway" for span in spans)
            return spans if last in names and gateway else None

        return eventually(ended)

    def pids(self) -> dict[str, int]:
        """Process ids by service."""
        noted = json.loads((self.shop.state / "processes.json").read_text())
        return {**noted["children"], "supervisor": noted["supervisor"]}

    def kill(self, name: str) -> int:
        """End a process of the shop as if the machine had taken it away."""
        pid = self.pids()[name]
        os.kill(pid, signal.SIGKILL)
        return pid


def eventually(look: Callable[[], Found | None], seconds: float = 20.0) -> Found:
    """What `look` finds, as soon as it does."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)


def read_spool(folder: Path) -> list[Span]:
    """Every finished span in a spool."""
    spans: list[Span] = []
    for meta in folder.glob("*.meta"):
        process, *sites = [json.loads(line) for line in meta.read_text().splitlines()]
        decoder = Decoder(meta.stem, process["service"])
        for site in sites:
            decoder.add_site(site)
        for ring in sorted(folder.glob(f"{meta.stem}.*.ring")):
            data = ring.read_bytes()
            head = parse_head(data)
            if head is not None:
                spans += decoder.decode(head, PAGE, data[PAGE:], final=False).spans
    return spans
