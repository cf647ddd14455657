"""POST /v1/traces: takes spans in, and says what became of them."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from devbox.errors import DevboxError
from devbox.traces.model import Process, Span
from devbox.traces.otlp import text, wire
from devbox.traces.otlp.model import Accepted, Malformed, accepted
from devbox.traces.store import Progress, Store
from devbox.web.body import decompressed
from devbox.web.model import MEBIBYTE, Refused, Request, Response, Route

PATH = "/v1/traces"
LARGEST = 16 * MEBIBYTE
"""Bytes of a body on the wire; an exporter's batch of 512 spans has 200 kB."""
LARGEST_UNPACKED = 64 * MEBIBYTE
AT_ONCE = 4
"""Requests in work; further ones are asked to come again, as OTLP has it (429 with Retry-After)."""
RETRY_AFTER = "1"
CODECS: dict[str, Any] = {"application/x-protobuf": wire, "application/json": text}


Onward = Callable[[Sequence[Span]], None]
"""Who else wants the spans that came."""


class Intake:
    """Writes into a store of its own: requests come in threads, one of them writes at a time."""

    def __init__(self, store: Store, onward: Onward | None = None) -> None:
        self._store = store
        self._onward = onward or (lambda spans: None)
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def route(self) -> Route:
        """Where it is reached."""
        return Route("POST", PATH, self.answer, LARGEST)

    def answer(self, request: Request) -> Response:
        """One export. What cannot be a span is refused alone (partial success), the rest is kept."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        codec = CODECS.get(kind)
        if codec is None:
            raise Refused(415, f"OTLP comes as {' or '.join(CODECS)}, not as {kind or 'nothing'}")
        if not self._places.acquire(blocking=False):
            raise Refused(429, "too many exports at once", **{"Retry-After": RETRY_AFTER})
        try:
            return Response(self._take(request, codec), kind)
        except Malformed as error:
            return Response(codec.status(str(error)), kind, 400)
        except DevboxError as error:
            raise Refused(503, str(error), **{"Retry-After": RETRY_AFTER}) from error
        finally:
            self._places.release()

    def _take(self, request: Request, codec: Any) -> bytes:
        coding = request.headers.get("content-encoding", "").strip().lower()
        body = decompressed(request.body, coding, LARGEST_UNPACKED)
        refused: list[str] = []
        for group in codec.groups(body):
            identity = _identity(group.resource)
            found = accepted(group, identity)
            refused += found.refused
            if found.spans:
                self._keep(found, identity)
                self._onward(found.spans)
        answer: bytes = codec.answer(len(refused), "; ".join(sorted(set(refused))))
        return answer

    def _keep(self, found: Accepted, identity: str) -> None:
        service = found.group.service
        process = Process(identity, service, {"service": service, **found.group.resource})
        with self._lock:
            last = self._store.progress(identity) or Progress(identity)
            stored = replace(last.account, stored=last.account.stored + len(found.spans))
            self._store.add(process, found.spans, Progress(identity, account=stored))


def _identity(resource: dict[str, Any]) -> str:
    """A process by what it says of itself; two that say the same are one."""
    said = json.dumps(resource, sort_keys=True, default=str)
    return hashlib.sha256(said.encode(errors="replace")).hexdigest()[:32]
