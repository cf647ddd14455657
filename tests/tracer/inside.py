"""The recorder inside the tests' own process, switched on for one test and off again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from devbox import tracer
from devbox.tracer.hooks import install
from tests.traces.reading import Reader


@contextmanager
def recording(reader: Reader, hooks: bool = False) -> Iterator[None]:
    """Record into the reader's spool."""
    tracer.configure("app", str(reader.spool), hooks=False)
    if hooks:
        install()
    try:
        yield
    finally:
        tracer.shutdown()
