"""The switches over HTTP: what the page, the command line and any program change while the shop runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from typing import Any

from devbox.workload.contract import EDGES, MISSING, Payload
from devbox.workload.failures import Failure, NotFound, Refused, to_data
from devbox.workload.roads.rest import Application, body_of, reply
from devbox.workload.switchable import KINDS, kind
from devbox.workload.switches import Board, Fault, Switches

Roads = tuple[str, ...]


class Control:
    """A WSGI application around a service's own: answers `/control/…`, hands everything else on.

    GET /control                          the switches, the faults there are, the roads there are
    POST /control/faults {name, at, value}    a fault on; DELETE /control/faults {name, at} off, {} all off
    POST /control/roads {edge, road}          another road for an edge
    """

    def __init__(self, board: Board, application: Application, roads: Roads, traces: str = "") -> None:
        self._board = board
        self._roads = roads
        self._traces = traces
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        path = environ["PATH_INFO"]
        if path == "/health":
            return reply(start_response, 200, {"ready": True})
        if not path.startswith("/control"):
            return self._application(environ, start_response)
        try:
            return reply(start_response, 200, self._answer(environ, path))
        except Failure as failure:
            return reply(start_response, failure.status, {"error": to_data(failure)})

    def _answer(self, environ: dict[str, Any], path: str) -> Payload:
        method = environ["REQUEST_METHOD"]
        if (method, path) == ("GET", "/control"):
            return self._state(self._board.read())
        # A page of another site cannot send this type without asking first (Fetch standard, CORS-safelisted).
        if environ.get("CONTENT_TYPE", "").partition(";")[0] != "application/json":
            raise Refused("wants Content-Type: application/json")
        change = _CHANGES.get((method, path))
        if change is None:
            raise NotFound(f"nothing answers {method} {path}")
        how = change(body_of(environ), self._roads)
        return self._state(self._board.change(how))

    def _state(self, switches: Switches) -> Payload:
        there = {"kinds": [asdict(one) for one in KINDS], "ways": list(self._roads)}
        return switches.as_data() | there | {"traces": self._traces}


Change = Callable[[Switches], Switches]


def _fault_on(wanted: Payload, roads: Roads) -> Change:
    found = kind(str(wanted.get("name")))
    if found is None:
        raise NotFound(f"no fault {wanted.get('name')}; there are {', '.join(one.name for one in KINDS)}")
    value = wanted.get("value")
    how_hard = float(found.value if value is None else value)
    fault = Fault(found.name, str(wanted.get("at") or found.at), how_hard)
    return lambda switches: switches.with_fault(fault)


def _fault_off(wanted: Payload, roads: Roads) -> Change:
    name, at = wanted.get("name"), str(wanted.get("at") or "")
    if name is None:
        return lambda switches: replace(switches, faults=())
    return lambda switches: switches.without(str(name), at)


def _road(wanted: Payload, roads: Roads) -> Change:
    edge, road = str(wanted.get("edge")), str(wanted.get("road"))
    if edge not in EDGES:
        raise NotFound(f"no edge {edge}; there are {', '.join(EDGES)}")
    if road not in roads:
        missing = f" ({MISSING[road]})" if road in MISSING else ""
        raise NotFound(f"no road {road} here{missing}; there are {', '.join(roads)}")
    return lambda switches: replace(switches, roads={**switches.roads, edge: road})


_CHANGES: dict[tuple[str, str], Callable[[Payload, Roads], Change]] = {
    ("POST", "/control/faults"): _fault_on,
    ("DELETE", "/control/faults"): _fault_off,
    ("POST", "/control/roads"): _road,
}
