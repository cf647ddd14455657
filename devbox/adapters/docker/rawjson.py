"""BuildKit's progress as buildx prints it: JSON documents of a `SolveStatus` (BuildKit, client/graph.go)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from devbox.ports.build import BuildEvent, BuildWarning, Sent, Step, StepOutput, Transfer

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")


def events(lines: Iterable[str], said: list[str]) -> Iterator[BuildEvent]:
    """The events of a build; `said` gets the lines between the documents."""
    sent: dict[tuple[str, str], int] = {}
    for status in _documents(lines, said):
        yield from _status(status, sent)


def _documents(lines: Iterable[str], said: list[str]) -> Iterator[Mapping[str, Any]]:
    """A document on a line of its own, or (older ones) spread over lines from `{` to `}`."""
    text = ""
    for line in lines:
        if not text and not line.startswith("{"):
            said.append(line.strip())
            continue
        text += line
        if line.rstrip() == "}" or text == line:
            try:
                document = json.loads(text)
            except ValueError:
                continue
            text = ""
            yield document


def _status(status: Mapping[str, Any], sent: dict[tuple[str, str], int]) -> Iterator[BuildEvent]:
    for vertex in status.get("vertexes") or ():
        yield _step(vertex)
    before = sum(sent.values())
    for one in status.get("statuses") or ():
        count = int(one.get("current", 0))
        name = str(one.get("id", ""))
        if name.startswith("transferring "):
            sent[one["vertex"], name] = count
        yield Transfer(one["vertex"], name, count, int(one.get("total", 0)))
    if (count := sum(sent.values())) != before:
        yield Sent(count)
    for log in status.get("logs") or ():
        yield StepOutput(log["vertex"], base64.b64decode(log.get("data", "")))
    for warning in status.get("warnings") or ():
        yield BuildWarning(base64.b64decode(warning.get("short", "")).decode(errors="replace"))


def _step(vertex: Mapping[str, Any]) -> Step:
    return Step(
        digest=vertex["digest"],
        name=vertex.get("name", ""),
        cached=bool(vertex.get("cached")),
        started=seconds(vertex.get("started")),
        completed=seconds(vertex.get("completed")),
        error=vertex.get("error", ""),
    )


def seconds(text: str | None) -> float:
    """A time of RFC 3339 since the epoch; 0 when there is none."""
    found = _TIME.fullmatch(text or "")
    if not found:
        return 0.0
    zone = "+00:00" if found[3] == "Z" else found[3]
    return datetime.fromisoformat(found[1] + zone).timestamp() + float(found[2] or 0)
