"""Bodies that lie about themselves."""

from __future__ import annotations

import gzip
import io
import zlib

import pytest

from devbox.web.body import decompressed, read_body
from devbox.web.model import Refused


def test_what_was_compressed_comes_out() -> None:
    assert decompressed(gzip.compress(b"abc"), "gzip", 10) == b"abc"
    assert decompressed(zlib.compress(b"abc"), "deflate", 10) == b"abc"
    assert decompressed(b"abc", "identity", 1) == b"abc"


@pytest.mark.parametrize(
    ("data", "coding", "status"),
    [
        pytest.param(gzip.compress(bytes(50 << 20)), "gzip", 413, id="a bomb"),
        pytest.param(gzip.compress(b"abc")[:-9], "gzip", 400, id="cut short"),
        pytest.param(b"plain", "gzip", 400, id="not compressed at all"),
        pytest.param(b"x", "br", 415, id="a coding we do not know"),
    ],
)
def test_refusals_say_which(data: bytes, coding: str, status: int) -> None:
    with pytest.raises(Refused) as caught:
        decompressed(data, coding, 1 << 20)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("headers", "data", "status"),
    [
        ({"content-length": "-1"}, b"", 400),
        ({"content-length": "many"}, b"", 400),
        ({"content-length": str(1 << 40)}, b"", 413),
        ({"transfer-encoding": "chunked"}, b"zz\r\n", 400),
        ({"transfer-encoding": "chunked"}, b"-5\r\n", 413),
        ({"transfer-encoding": "chunked"}, b"7fffffff\r\n", 413),
        ({"transfer-encoding": "gzip, chunked"}, b"", 501),
    ],
)
def test_lengths_are_not_believed(headers: dict[str, str], data: bytes, status: int) -> None:
    with pytest.raises(Refused) as caught:
        read_body(headers, io.BytesIO(data), 1000)
    assert caught.value.status == status
