"""The page's addresses."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from devbox.errors import UsageError
from devbox.rendering import templates_dir
from devbox.traces.analyse import Slow
from devbox.traces.compare.analyse import compare
from devbox.traces.model import Span
from devbox.traces.page import documents
from devbox.traces.page.saved import saved
from devbox.traces.page.sources import Sources, launcher, links, open_in_editor
from devbox.traces.patterns.crowd import Interval
from devbox.traces.query import Query, parse
from devbox.traces.search import ORDERS
from devbox.traces.store import Store
from devbox.web.assets import Assets
from devbox.web.guard import Guard
from devbox.web.live import Channel
from devbox.web.model import Refused, Request, Response, Route, as_json
from devbox.web.server import Site

VIEWS = ("/", "/traces", "/trace/{trace}", "/map", "/compare")
"""Addresses that a person may open, keep and send: all of them are the one page."""
MOST_LISTED = 500
COMPARED = 200
"""Traces of each side that a comparison looks at."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class About:
    """What the page says of itself: whose traces these are, and the project's name in its editor."""

    title: str
    project: str


class TracePage:
    """Answers the page. The store is read under a lock: requests come in threads of their own."""

    def __init__(self, store: Store, sources: Sources, about: About) -> None:
        self._store = store
        self._sources = sources
        self._about = about
        self._lock = threading.Lock()
        self._assets = Assets(templates_dir() / "web" / "traces")

    def site(self, guard: Guard, channel: Channel, more: Sequence[Route] = ()) -> Site:
        """All of it, as a server can serve it."""
        views = [Route("GET", view, self._view) for view in VIEWS]
        routes = [
            Route("GET", "/assets/{name*}", self._assets.answer),
            Route("GET", "/api/about", self._said_about),
            Route("GET", "/api/functions", self._functions),
            Route("GET", "/api/functions/among", self._among),
            Route("GET", "/api/traces", self._traces),
            Route("GET", "/api/map", self._map),
            Route("GET", "/api/compare", self._compare),
            Route("GET", "/api/trace/{trace}", self._trace),
            Route("GET", "/api/trace/{trace}/analysis", self._analysis),
            Route("GET", "/api/trace/{trace}/log", self._log),
            Route("GET", "/api/trace/{trace}/span/{span}", self._span),
            Route("GET", "/api/trace/{trace}/saved", self._saved),
            Route("POST", "/api/open", self._open),
        ]
        return Site([*views, *routes, *more], guard, channel)

    def _read(self, ask: Callable[[Store], _T]) -> _T:
        with self._lock:
            return ask(self._store)

    def _view(self, request: Request, **_: str) -> Response:
        return self._assets.answer(request, "index.html")

    def _said_about(self, request: Request) -> Response:
        accounts = self._read(lambda store: store.accounts())
        lost = {name: one.dropped for name, one in accounts.items() if one.dropped}
        stored = sum(one.stored for one in accounts.values())
        services = self._read(lambda store: store.services())[:MOST_LISTED]
        about = {"title": self._about.title, "project": self._about.project, "services": services}
        return as_json({**about, "stored": stored, "lost": lost, "editor": launcher()})

    def _functions(self, request: Request) -> Response:
        return as_json(self._listed(self._read(lambda store: store.functions())))

    def _among(self, request: Request) -> Response:
        found = self._read(lambda store: store.functions_among(_query(request, "q")))
        return as_json(
            {"rows": self._listed(found.functions), "traces": found.traces, "is_part": found.is_part}
        )

    def _listed(self, rows: Sequence[Slow]) -> list[dict[str, Any]]:
        return [documents.function(row, self._sources.locate) for row in rows[:MOST_LISTED]]

    def _traces(self, request: Request) -> Response:
        order = request.query.get("order", "newest")
        if order not in ORDERS:
            raise Refused(400, f"`order` is one of: {', '.join(ORDERS)}")
        found = self._read(lambda store: store.traces(self._limit(request), _query(request, "q"), order))
        return as_json([documents.summary(one) for one in found])

    def _limit(self, request: Request) -> int:
        try:
            return max(1, min(MOST_LISTED, int(request.query.get("limit", "50"))))
        except ValueError:
            raise Refused(400, "`limit` is a number") from None

    def _map(self, request: Request) -> Response:
        found = self._read(lambda store: store.edges())[:MOST_LISTED]
        return as_json([documents.edge(one) for one in found])

    def _compare(self, request: Request) -> Response:
        before, after = (self._sample(_query(request, name)) for name in ("a", "b"))
        return as_json(documents.comparison(compare(before, after)))

    def _sample(self, query: Query) -> list[list[Span]]:
        found = self._read(lambda store: store.traces(COMPARED, query))
        return [self._stored(one.trace_id) for one in found]

    def _stored(self, trace: str) -> list[Span]:
        return self._read(lambda store: list(store.spans(trace)))

    def _spans(self, trace: str) -> list[Span]:
        found = self._stored(trace)
        if not found:
            raise _unknown(trace)
        return found

    def _trace(self, request: Request, trace: str) -> Response:
        rows, operations = self._read(lambda store: store.outline(trace))
        if not rows:
            raise _unknown(trace)
        return as_json(documents.trace(trace, rows, operations, self._sources.locate))

    def _analysis(self, request: Request, trace: str) -> Response:
        def beside(span: Span) -> Sequence[Interval]:
            return self._read(lambda store: store.beside(span))

        return as_json(documents.analysis(self._spans(trace), beside))

    def _log(self, request: Request, trace: str) -> Response:
        return as_json(documents.told(self._spans(trace)))

    def _span(self, request: Request, trace: str, span: str) -> Response:
        stored = self._read(lambda store: store.span(trace, span)) if _is_id(span) else None
        if stored is None:
            raise Refused(404, f"no span {span} in this trace")
        one, own = stored
        peers = self._read(lambda store: store.peers(one.operation))
        resource = self._read(lambda store: store.resource(one.process))
        found: dict[str, Any] = documents.detail(one, peers, own, resource)
        local = self._sources.locate(one.operation.file)
        found["links_to"] = links(local, one.operation.line, self._about.project) if local else {}
        return as_json(found)

    def _saved(self, request: Request, trace: str) -> Response:
        if not self._read(lambda store: store.summaries([trace]) if _is_id(trace, 32) else []):
            raise _unknown(trace)
        text = self._read(lambda store: saved(store, trace))
        name = f'attachment; filename="trace-{trace[:12]}.html"'
        return Response(text.encode(), "text/html; charset=utf-8", 200, {"Content-Disposition": name})

    def _open(self, request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise Refused(415, "this takes JSON")
        wanted = _object(request.body)
        local = self._sources.locate(str(wanted.get("file", "")))
        if not local:
            raise Refused(404, f"{wanted.get('file')} is not a file of this project here")
        line = wanted.get("line", 1)
        return as_json({"opened": open_in_editor(local, line if isinstance(line, int) else 1)})


def _is_id(text: str, digits: int = 16) -> bool:
    return re.fullmatch(f"[0-9a-f]{{{digits}}}", text) is not None


def _unknown(trace: str) -> Refused:
    return Refused(404, f"no trace {trace}: it was never here, or it had to make room for newer ones")


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        raise Refused(400, "this is not JSON") from None
    return found if isinstance(found, dict) else {}


def _query(request: Request, name: str) -> Query:
    try:
        return parse(request.query.get(name, ""))
    except UsageError as error:
        raise Refused(400, f"{error.what}: {error.why}" if error.why else error.what) from None
