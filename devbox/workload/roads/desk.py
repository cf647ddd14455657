"""Where calls arrive, whichever road they took, and where they leave."""

from __future__ import annotations

import inspect
import itertools
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from threading import Lock
from typing import Any, Protocol

from devbox.workload import hops
from devbox.workload.contract import Operation, Payload, operation
from devbox.workload.failures import Failure, NotFound, Refused, Unavailable
from devbox.workload.faults import Calm, Trouble
from devbox.workload.roads import deadline

Headers = Mapping[str, str]


class Road(Protocol):
    """The caller's end of one road to one service. Thread-safe."""

    def call(self, wanted: Operation, payload: Payload, headers: Headers, timeout: float) -> Payload:
        """Carry a call; its result, or the `Failure` that ended it. `timeout` is in seconds."""
        ...

    def close(self) -> None: ...


class Desk:
    """The callee's end of all roads: operations by name."""

    def __init__(
        self, service: str, functions: Mapping[str, Callable[..., Any]], trouble: Trouble | None = None
    ) -> None:
        self.service = service
        self._trouble = trouble or Calm()
        self._functions = functions
        self._signatures = {name: inspect.signature(function) for name, function in functions.items()}

    def handle(self, road: str, name: str, payload: Payload, headers: Headers) -> Payload:
        """Carry out a call that came over `road`, as a span below the caller's."""
        self._trouble.strike(f"Desk {self.service}")
        with hops.serving(road, name, headers), deadline.within(headers):
            function = self._functions.get(name)
            if function is None:
                raise NotFound(f"the {self.service} service has no operation {name}")
            try:
                self._signatures[name].bind(**payload)
            except TypeError as error:
                raise Refused(f"{name}: {error}") from None
            return as_payload(function(**payload))


def as_payload(result: Any) -> Payload:
    """A service's result as it travels: always a mapping, lists under `items`."""
    if isinstance(result, list):
        return {"items": [as_payload(one) for one in result]}
    if is_dataclass(result) and not isinstance(result, type):
        return asdict(result)
    return dict(result) if result else {}


@dataclass(frozen=True, slots=True)
class Patience:
    """How an edge waits: `timeout` seconds per try, `tries` in all, `pause` seconds before the second try
    (doubled each time, and a random part of it taken off, so that callers do not come back in step)."""

    timeout: float = 2.0
    tries: int = 3
    pause: float = 0.02


class Budget:
    """Retries in proportion to calls: when everything fails, retries must not multiply the load.

    Each call pays `share` of a retry in, up to `most`; each retry takes one out.
    """

    def __init__(self, share: float = 0.2, most: float = 10.0) -> None:
        self._share = share
        self._most = most
        self._saved = most
        self._lock = Lock()

    def earn(self) -> None:
        """A call was made."""
        with self._lock:
            self._saved = min(self._most, self._saved + self._share)

    def spend(self) -> bool:
        """Whether a retry may be made; if so, it is paid for."""
        with self._lock:
            if self._saved < 1:
                return False
            self._saved -= 1
            return True


_STORMY = {"users.find": "Users.find", "payments.charge": "Payments.charge"}
"""Operations, and the functions whose overload their callers answer with a storm."""


class Edge:
    """One service's way to another, over the road that `choose` names at this moment."""

    def __init__(
        self,
        name: str,
        roads: Mapping[str, Road],
        choose: Callable[[str], str],
        trouble: Trouble | None = None,
        patience: Patience = Patience(),
    ) -> None:
        self.name = name
        self._roads = roads
        self._choose = choose
        self._trouble = trouble or Calm()
        self._patience = patience
        self._budget = Budget()

    def call(self, name: str, **payload: Any) -> Payload:
        """Call an operation; repeated within the budget when the other side could not be reached."""
        wanted = operation(name)
        assert wanted is not None, name
        self._budget.earn()
        for attempt in itertools.count(1):
            try:
                return self._try(wanted, payload, attempt)
            except Unavailable:
                if not self._again(name, attempt):
                    raise
        raise AssertionError("unreachable")

    def _again(self, name: str, attempt: int) -> bool:
        """Whether to try once more, after a pause."""
        storm = self._trouble.level("retry-storm", _STORMY.get(name, ""))
        if storm:
            return attempt < storm
        if attempt >= self._patience.tries or not self._budget.spend():
            return False
        pause = self._patience.pause * 2 ** (attempt - 1) * random.uniform(0.5, 1)
        time.sleep(deadline.remaining(pause))
        return True

    def _try(self, wanted: Operation, payload: Payload, attempt: int) -> Payload:
        road = self._choose(self.name)
        if road not in self._roads:
            raise Failure(f"there is no road {road} for {self.name}; there are {', '.join(self._roads)}")
        timeout = deadline.remaining(self._patience.timeout)
        headers = {deadline.HEADER: f"{timeout:.3f}"}
        with hops.calling(road, wanted.name, headers, attempt):
            return self._roads[road].call(wanted, payload, headers, timeout)

    def close(self) -> None:
        """Let go of all connections."""
        for road in self._roads.values():
            road.close()
