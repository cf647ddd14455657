"""Client libraries that devbox knows: adapted when, and only when, the application imports them."""

from __future__ import annotations

import sys
from importlib import import_module

from ..imports import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

HOOKS = {
    "threading": "threads",
    "concurrent.futures.thread": "threads",
    "http.client": "http",
    "subprocess": "children",
    "sqlite3": "sqlite",
    "sqlalchemy": "sqlalchemy",
    "psycopg": "psycopg",
    "httpx": "httpx",
    "aiohttp.client": "aiohttp",
    "aiohttp.web_app": "aiohttp",
    "redis.client": "redis",
    "redis.asyncio.client": "redis",
    "pika.channel": "pika",
    "pika.adapters.blocking_connection": "pika",
    "kafka.producer.kafka": "kafka",
    "kafka.consumer.group": "kafka",
    "confluent_kafka": "confluent",
    "grpc": "grpc",
    "opentelemetry.context": "otel",
    "opentelemetry.sdk.trace": "otel",
}
"""Module of the library -> module here, whose `adapt_<module>` (dots as underscores) adapts it."""
MARK = "__devbox_adapted__"


def install(hooks: dict[str, str] = HOOKS) -> None:
    """Adapt what is imported already, and the rest when it is imported. May be called again."""
    for library, home in hooks.items():
        when_imported(library, _adapter(library, home))


def _adapter(library: str, home: str) -> Callable[[ModuleType], None]:
    def adapt(module: ModuleType) -> None:
        if not getattr(module, MARK, False):
            setattr(module, MARK, True)
            try:
                here = import_module("." + home, __name__)
                getattr(here, "adapt_" + library.replace(".", "_"))(module)
            except Exception as error:  # noqa: BLE001 - a version of it that we do not know must still be usable
                sys.stderr.write(f"devbox trace: {library} is not recorded: {error!r}\n")

    return adapt


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put `make(original)` in the place of `owner.name`, looking like it."""
    original = getattr(owner, name)
    made = make(original)
    made.__name__, made.__doc__, made.__wrapped__ = name, original.__doc__, original
    made.__qualname__ = getattr(original, "__qualname__", name)
    setattr(owner, name, made)
