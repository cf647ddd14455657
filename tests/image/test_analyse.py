"""What a Dockerfile begins with, as far as that can be told without building it."""

from __future__ import annotations

import pytest

from devbox.image.analyse import bases


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FROM a", ("a",)),
        ("ARG V=1\nFROM a:$V AS x\nFROM x\nFROM --platform=linux/amd64 b", ("a:1", "b")),
        ("ARG V=1\nARG W\nFROM a:${V}-${W}", ("a:1-given",)),
        ("ARG MISSING\nFROM a:${OTHER}", None),
        ("FROM scratch\nCOPY . .", ()),
        ("FROM a AS x\nFROM b\nCOPY --from=x /p /p\nCOPY --from=0 /q /q", ("a", "b")),
        ("FROM a\nCOPY --from=nginx /p /p", None),
        ("FROM a\nRUN --mount=type=bind,from=other,target=/x ls", None),
        ("FROM a\nADD https://example.org/x /x", None),
        ("FROM a\nADD local.tar /x", ("a",)),
        ("# syntax=docker/dockerfile:1\nFROM a", ("docker/dockerfile:1", "a")),
        ("", None),
    ],
)
def test_bases(text: str, found: tuple[str, ...] | None) -> None:
    assert bases(text, {"W": "given"}) == found
