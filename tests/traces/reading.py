"""Run real processes that record, and read what they left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devbox.adapters.spools import LocalSpools
from devbox.traces.ingest import Collected, collect
from devbox.traces.model import Account, Span
from devbox.traces.store import Store

ROOT = Path(__file__).parents[2]


@contextmanager
def started(code: str, spool: Path, **env: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process of its own, its spool in `spool`; `code` finds `tracer` configured as service
    "app". What still runs when the block is left is killed.
    """
    prelude = "from devbox import tracer\ntracer.configure()\n"
    given = {"PYTHONPATH": str(ROOT), "DEVBOX_TRACE_SPOOL": str(spool), "DEVBOX_TRACE_SERVICE": "app"}
    process = subprocess.Popen(
        [sys.executable, "-c", prelude + textwrap.dedent(code)],
        env={**os.environ, **given, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def run(code: str, spool: Path, **env: str) -> str:
    """Run to the end, which must be a good one; gives stdout."""
    with started(code, spool, **env) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert err == ""
    return out


class Reader:
    """A store that collects from a spool folder."""

    def __init__(self, spool: Path, database: Path) -> None:
        self.spool = spool
        self.store = Store(database)

    def collect(self) -> Collected:
        return collect(LocalSpools(self.spool), self.store)

    def spans(self) -> list[Span]:
        """Everything, after a round of collecting."""
        self.collect()
        return list(self.store.spans())

    def named(self, name: str) -> Span:
        """The one span of that name."""
        found = [one for one in self.spans() if one.operation.name == name]
        assert len(found) == 1, [one.operation.name for one in self.store.spans()]
        return found[0]

    def account(self) -> Account:
        return self.store.accounts()["app"]
