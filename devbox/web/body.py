"""Reading a request's body: with a length or in chunks (RFC 9112, 6 and 7), compressed or not; never more
than was allowed.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Protocol

from devbox.web.model import Refused

_LINE = 4096


class Stream(Protocol):
    """What a body is read from."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self, size: int, /) -> bytes: ...


def read_body(headers: Mapping[str, str], stream: Stream, largest: int) -> bytes:
    """The body as it was sent. `Refused` with 413 before more than `largest` bytes were taken in."""
    coding = headers.get("transfer-encoding", "").lower()
    if coding == "chunked":
        return _chunks(stream, largest)
    if coding:
        raise Refused(501, f"transfer coding {coding!r} is not understood")
    try:
        size = int(headers.get("content-length", "0"))
    except ValueError:
        size = -1
    if size < 0:
        raise Refused(400, "the content length is not a number")
    if size > largest:
        raise _too_large(largest)
    return stream.read(size)


def _chunks(stream: Stream, largest: int) -> bytes:
    whole = bytearray()
    while True:
        try:
            size = int(stream.readline(_LINE).split(b";")[0].strip(), 16)
        except ValueError:
            raise Refused(400, "a chunk does not begin with its size") from None
        if size < 0 or len(whole) + size > largest:
            raise _too_large(largest)
        if not size:
            while stream.readline(_LINE).strip():  # trailers
                pass
            return bytes(whole)
        whole += stream.read(size)
        stream.readline(_LINE)


def decompressed(data: bytes, coding: str, largest: int) -> bytes:
    """The body as it was meant. A small body that would become a huge one is refused while it grows."""
    if coding in ("", "identity"):
        return data
    if coding not in ("gzip", "deflate"):
        raise Refused(
            415, f"content coding {coding!r} is not understood", **{"Accept-Encoding": "gzip, deflate"}
        )
    unpack = zlib.decompressobj(wbits=47 if coding == "gzip" else 15)
    try:
        whole = unpack.decompress(data, largest + 1)
    except zlib.error as error:
        raise Refused(400, f"the body is not {coding}: {error}") from None
    if len(whole) > largest:
        raise _too_large(largest)
    if not unpack.eof:
        raise Refused(400, f"the body is not {coding}: it ends too early")
    return whole


def _too_large(largest: int) -> Refused:
    return Refused(413, f"the body is larger than {largest >> 20} MiB")
