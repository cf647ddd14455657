"""Knocking at an app's door as a browser does: one HTTP request, and what comes back."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request met. `status` 0: it was no HTTP; `silent` says why nothing came at all."""

    status: int = 0
    seconds: float = 0.0
    silent: str = ""


def knock(address: str) -> Reply:
    """Ask `http://HOST:PORT` for `/`. Any answer counts, also one that is not HTTP."""
    place = urlsplit(address)
    link = http.client.HTTPConnection(place.hostname or "127.0.0.1", place.port, timeout=_PATIENCE)
    start = time.monotonic()
    try:
        link.request("GET", "/", headers={"User-Agent": "devbox-doctor", "Connection": "close"})
        return Reply(link.getresponse().status, time.monotonic() - start)
    except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
        return Reply(silent="the connection is closed without an answer")
    except http.client.HTTPException:
        return Reply(seconds=time.monotonic() - start)
    except TimeoutError:
        return Reply(silent=f"it says nothing for {_PATIENCE:g} s")
    except OSError as error:
        return Reply(silent=error.strerror or str(error))
    finally:
        link.close()
