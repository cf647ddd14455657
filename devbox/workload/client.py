"""Talking to a running shop through its gateway: the switches, and what they say."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from devbox.errors import DevboxError, UsageError

Data = dict[str, Any]


class Shop:
    """The switches of the shop behind `url`."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._place = (where.hostname or "", where.port or 80)
        self._url = url

    def state(self) -> Data:
        """All switches, and what can be switched."""
        return self._ask("GET", "/control")

    def fault_on(self, name: str, at: str = "", value: float | None = None) -> Data:
        """Switch a fault on; what is left out is the fault's own default."""
        return self._ask("POST", "/control/faults", {"name": name, "at": at, "value": value})

    def fault_off(self, name: str = "", at: str = "") -> Data:
        """Switch a fault off, or all of them."""
        return self._ask("DELETE", "/control/faults", {"name": name, "at": at} if name else {})

    def take_road(self, edge: str, road: str) -> Data:
        """Let an edge take another road."""
        return self._ask("POST", "/control/roads", {"edge": edge, "road": road})

    def _ask(self, method: str, path: str, body: Data | None = None) -> Data:
        connection = http.client.HTTPConnection(*self._place, timeout=10)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DevboxError(
                "the shop does not answer",
                where=self._url,
                why=str(error) or type(error).__name__,
                next_steps=["devbox workload up --local", "devbox workload up"],
            ) from None
        finally:
            connection.close()
        if response.status >= 400:
            raise UsageError(
                answer["error"]["message"], next_steps=["devbox workload faults", "devbox workload road"]
            )
        return dict(answer)
