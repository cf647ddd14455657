"""Who may ask. On loopback every user of this machine's browser could be made to: pages of strangers are kept
out by the Host header (DNS rebinding) and the Origin header (requests from other pages); elsewhere a token is
needed besides.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from devbox.web.model import Refused, Request

COOKIE = "devbox-token"


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine, without asking DNS."""
    if host in ("localhost", "localhost."):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Guard:
    """`host` is the address that is listened on. Paths in `open_paths` are for programs that send no Origin
    (OTLP exporters reach us under names that only they know): they are exempt from the check of Host.
    """

    host: str
    token: str = ""
    open_paths: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, host: str, open_paths: frozenset[str] = frozenset()) -> Guard:
        """For that address; elsewhere than on loopback with a fresh token."""
        return cls(host, "" if is_loopback(host) else secrets.token_urlsafe(24), open_paths)

    def check(self, request: Request) -> None:
        """Raises `Refused` when this request must not be answered."""
        origin = request.headers.get("origin", "")
        named = urlsplit(f"//{request.headers.get('host', '')}")
        if origin and urlsplit(origin).netloc != named.netloc:
            raise Refused(403, f"this page is not for {origin}")
        is_ours = self.token or is_loopback(named.hostname or "") or named.hostname == self.host
        if not is_ours and (origin or request.path not in self.open_paths):
            raise Refused(421, f"this is not {named.netloc}; ask for http://{self.host}")
        if self.token and not self._token_is_right(request):
            raise Refused(401, "a token is needed: open the address that `devbox trace ui` printed")

    def _token_is_right(self, request: Request) -> bool:
        given = [request.query.get("token", ""), request.headers.get("authorization", "")[len("Bearer ") :]]
        try:
            cookie = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        given.append(cookie.value if cookie else "")
        return any(hmac.compare_digest(one.encode(), self.token.encode()) for one in given)

    def cookie(self, request: Request) -> str:
        """The Set-Cookie header that spares the next request the token in its address; or ""."""
        if not self.token or request.query.get("token") != self.token:
            return ""
        return f"{COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/"
