"""Where it begins: greets, then does one request after the other until the channel ends."""

from __future__ import annotations

import os
import sys

from devbox.adapters.helper.remote.asked import Questions
from devbox.adapters.helper.remote.places import Places, Refused, reason
from devbox.adapters.helper.remote.wire import CONFLICT, FAILED, HELLO, Request, Wire
from devbox.adapters.helper.remote.work import Clash, Operations


def main() -> None:
    """Serve standard input until its end."""
    os.umask(0o022)
    wire = Wire(sys.stdin.buffer, 1)
    try:
        first = Request(wire)
        places = Places(first.path, first.target)
        os.write(1, HELLO)
        questions = Questions(wire, places)
        try:
            serve(wire, {**Operations(wire, places).table, **questions.table}, first)
        finally:
            questions.close()
    except (EOFError, BrokenPipeError):
        sys.exit(0)


def serve(wire: Wire, table: dict, first: Request) -> None:  # type: ignore[type-arg]  # not before Python 3.9
    """One request after the other, until there are no more."""
    answer(wire, table, first)
    while True:
        ask = Request(wire)
        if wire.heard:
            wire.heard()
        answer(wire, table, ask)


def answer(wire: Wire, table: dict, ask: Request) -> None:  # type: ignore[type-arg]  # not before Python 3.9
    """Do one request and say how it went."""
    try:
        result, rest = table[ask.code](ask)
    except Clash as clash:
        result, rest = CONFLICT, clash.args[0]
    except Refused as refused:
        result, rest = FAILED, b"\0".join(refused.args)
    except OSError as error:
        result, rest = FAILED, reason(error)
    wire.answer(ask.number, result, rest)
