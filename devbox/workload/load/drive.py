"""Sending a scenario: an open loop. Arrivals do not wait for answers, so a slow shop cannot slow its own load
down and look better than it is (coordinated omission)."""

from __future__ import annotations

import http.client
import json
import time
import uuid
from collections.abc import Callable, Iterator
from threading import Lock, Thread
from urllib.parse import urlsplit

from devbox.errors import DevboxError
from devbox.workload.load.figures import Answer, Figures
from devbox.workload.load.scenario import Request, Scenario, requests

_SENDERS = 64
"""The most requests under way at once. When all are busy, the next starts late, and its latency says so."""

_TIMEOUT = 30.0


def url_of(place: tuple[str, int]) -> str:
    """A place as people write it."""
    return f"http://{place[0]}:{place[1]}"


class Drive:
    """One run of a scenario against the gateway at `url`."""

    def __init__(self, url: str, scenario: Scenario) -> None:
        where = urlsplit(url)
        self.url = url
        self._place = (where.hostname or "", where.port or 80)
        self.planned = sum(1 for _ in requests(scenario))
        self._requests = requests(scenario)
        self._lock = Lock()
        self._began = 0.0
        # The shop takes an order once per key: the same scenario run again must be new orders.
        self._run = uuid.uuid4().hex[:8]
        self.figures = Figures()
        self.seconds = 0.0

    def run(self, tick: Callable[[float], None], every: float = 1.0) -> None:
        """Send everything; `tick` is told the seconds since the start, about once per `every`."""
        self._probe()
        self._began = time.monotonic()
        senders = [Thread(target=self._send_all, daemon=True) for _ in range(min(_SENDERS, self.planned))]
        for sender in senders:
            sender.start()
        for sender in senders:
            while sender.is_alive():
                sender.join(every - self.elapsed() % every)
                if sender.is_alive():
                    tick(self.elapsed())
        self.seconds = self.elapsed()

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def _probe(self) -> None:
        probe = self._connect()
        try:
            probe.connect()
        except OSError as error:
            raise DevboxError(
                "the shop does not answer",
                where=url_of(self._place),
                why=str(error),
                next_steps=["devbox workload up --local", "devbox workload up"],
            ) from None
        finally:
            probe.close()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(*self._place, timeout=_TIMEOUT)

    def _next(self) -> Iterator[Request]:
        while True:
            with self._lock:
                request = next(self._requests, None)
            if request is None:
                return
            wait = request.due - self.elapsed()
            if wait > 0:
                time.sleep(wait)
            yield request

    def _send_all(self) -> None:
        connection = self._connect()
        for request in self._next():
            answer = self._send(connection, request)
            if answer.outcome in ("refused connection", "timeout", "broken connection"):
                connection.close()
                connection = self._connect()
            with self._lock:
                self.figures.answers.append(answer)
        connection.close()

    def _send(self, connection: http.client.HTTPConnection, request: Request) -> Answer:
        sent = self.elapsed()
        headers = {"Content-Type": "application/json"}
        if request.key:
            headers["Idempotency-Key"] = f"{self._run}-{request.key}"
        body = json.dumps(request.body) if request.body is not None else None
        try:
            connection.request(request.method, request.path, body, headers)
            response = connection.getresponse()
            text, trace = response.read(), response.headers.get("X-Trace-Id", "")
        except ConnectionRefusedError:
            return Answer(request.due, sent, self.elapsed(), "refused connection")
        except TimeoutError:
            return Answer(request.due, sent, self.elapsed(), "timeout")
        except (OSError, http.client.HTTPException):
            return Answer(request.due, sent, self.elapsed(), "broken connection")
        done = self.elapsed()
        if response.status >= 400:
            return Answer(request.due, sent, done, f"status {response.status}", trace=trace)
        told = json.loads(text)
        return Answer(request.due, sent, done, "ok", told.get("id", ""), told.get("state", ""), trace)
