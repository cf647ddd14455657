"""Spans out, as they come, to any OTLP/HTTP endpoint: an OpenTelemetry Collector, Jaeger, Tempo."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from devbox.errors import UsageError
from devbox.traces.export import otlp
from devbox.traces.model import Span
from devbox.traces.otlp.intake import PATH

AT_ONCE = 1_000
"""Spans in one request."""
MOST_WAITING = 100_000
"""Spans that wait for an endpoint that does not answer; the oldest go when there are more."""
AGAIN = frozenset((429, 502, 503, 504))
"""Statuses after which OTLP says to try again; after any other error the request is given up."""
PAUSE = 5.0
SHORTEST_PAUSE = 0.05
LONGEST_PAUSE = 60.0
PATIENCE = 10.0
_BROKEN = (OSError, http.client.HTTPException)


def endpoint(url: str) -> str:
    """Where to send to: the URL itself, or `/v1/traces` below it when it has no path."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"{url!r} is no address of an OTLP endpoint", next_steps=["--forward http://HOST:4318"]
        )
    return url if parts.path.strip("/") else url.rstrip("/") + PATH


class Forwarder(threading.Thread):
    """Sends what it is offered; `lost` counts what it could not, and `said` is told when that changes."""

    def __init__(self, url: str, said: Callable[[str], None]) -> None:
        super().__init__(daemon=True, name="forwarder")
        self._url = endpoint(url)
        self._said = said
        self._waiting: deque[Span] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self.lost = 0

    def offer(self, spans: Sequence[Span]) -> None:
        """Spans to send; never waits."""
        with self._changed:
            self._waiting.extend(spans)
            over = len(self._waiting) - MOST_WAITING
            for _ in range(over):
                self._waiting.popleft()
            self.lost += max(0, over)
            self._changed.notify()

    def stop(self) -> None:
        """Send what waits, if the endpoint takes it at once; then end."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self.join(timeout=2 * PATIENCE)

    def run(self) -> None:
        """Until stopped, and what waits is sent."""
        while batch := self._next():
            pause = self._send(batch)
            if pause and not self._ended:
                with self._changed:
                    self._waiting.extendleft(reversed(batch))
                    self._changed.wait_for(lambda: self._ended, pause)
            elif pause:
                self.lost += len(batch)
                return

    def _next(self) -> list[Span]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            return [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]

    def _send(self, batch: Sequence[Span]) -> float:
        """One request; seconds until it is worth another try, or 0 when it is done with."""
        body = gzip.compress(json.dumps(otlp(batch)).encode(), 1)
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        request = urllib.request.Request(self._url, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE):
                self._said("")
                return 0.0
        except urllib.error.HTTPError as error:
            with error:
                if error.code in AGAIN:
                    self._said(f"forwarding waits: {self._url} answers {error.code}")
                    return _pause(error.headers.get("Retry-After", ""))
                self.lost += len(batch)
                self._said(f"forwarding: {self._url} refused {len(batch)} spans: {error.code} {error.reason}")
                return 0.0
        except _BROKEN as error:
            self._said(f"forwarding waits: {self._url}: {error}")
            return PAUSE


def _pause(retry_after: str) -> float:
    """Seconds, as Retry-After says (a date is not worth reading: a few seconds do as well)."""
    return min(max(SHORTEST_PAUSE, float(retry_after)), LONGEST_PAUSE) if retry_after.isdigit() else PAUSE
