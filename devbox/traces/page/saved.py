"""A trace as one HTML file: the page itself with its answers inside, for a ticket or a mail. It asks nobody
for anything.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from devbox.rendering import templates_dir
from devbox.traces.analyse import tree, walk
from devbox.traces.model import Span
from devbox.traces.page import documents
from devbox.traces.store import Store
from devbox.web.assets import Assets

MOST_DETAILED = 2000
"""Spans whose attributes are taken along; of larger traces only the shape is."""
_MAP = '<script type="importmap">{"imports": {"traces/": "/assets/"}}</script>'
_STYLE = '<link rel="stylesheet" href="/assets/style.css">'
_MAIN = '<script type="module" src="/assets/main.js"></script>'


def saved(store: Store, trace: str) -> str:
    """The file's text."""
    assets = Assets(templates_dir() / "web" / "traces")
    scripts = [name for name in assets.names if name.endswith(".js")]
    modules = {f"traces/{name}": _address(assets.text(name)) for name in scripts}
    answers = _embedded(_answers(store, trace))
    parts = {
        _STYLE: f"<style>{assets.text('style.css')}</style>",
        _MAP: f'<script type="importmap">{_embedded({"imports": modules})}</script>',
        _MAIN: f'<script type="application/json" id="saved" data-path="/trace/{trace}">{answers}</script>'
        '<script type="module">import "traces/main.js"</script>',
    }
    text = assets.text("index.html")
    for place, content in parts.items():
        before, after = text.split(place)
        text = before + content + after
    return text


def _answers(store: Store, trace: str) -> dict[str, Any]:
    """What the page asks for a trace, by address."""
    spans = list(store.spans(trace))
    rows, operations = store.outline(trace)
    base = f"/api/trace/{trace}"
    found = {
        base: documents.trace(trace, rows, operations, lambda file: ""),
        f"{base}/analysis": documents.analysis(spans, store.beside),
        f"{base}/log": documents.told(spans),
    }
    if len(spans) <= MOST_DETAILED:
        found.update(_details(store, base, spans))
    return found


def _details(store: Store, base: str, spans: Sequence[Span]) -> dict[str, Any]:
    return {
        f"{base}/span/{node.span.span_id}": documents.detail(
            node.span,
            store.peers(node.span.operation),
            node.self_time,
            store.resource(node.span.process),
        )
        for node in walk(tree(spans))
    }


def _address(script: str) -> str:
    return f"data:text/javascript;base64,{base64.b64encode(script.encode()).decode()}"


def _embedded(data: Any) -> str:
    """JSON that can stand in HTML whatever is in it: no `<`, so no end of the script and no comment."""
    return json.dumps(data, separators=(",", ":"), default=str).replace("<", "\\u003c")
