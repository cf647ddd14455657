"""`devbox trace export`: traces for other tools and other people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from devbox.errors import UsageError

if TYPE_CHECKING:
    from devbox.traces.store import Store

FORMATS = ("otlp", "perfetto", "html")


def exported(store: Store, form: str, trace: str) -> str:
    """The document's text, of one trace or ("") of all."""
    from devbox.traces.export import otlp, perfetto
    from devbox.traces.page.saved import saved

    if form == "html":
        if not trace:
            raise UsageError(
                "an HTML file holds one trace", next_steps=["devbox trace export last --format html"]
            )
        return saved(store, trace)
    make = otlp if form == "otlp" else perfetto
    return json.dumps(make(store.spans(trace)))
