"""confluent-kafka: a producer span per message, whose headers (KIP-82) carry the context.

A consumer is asked for one message after the other, so that nobody sees where the work for one ends:

    with tracer.span("process", kind=tracer.CONSUMER, parent=tracer.extract(message.headers() or ())): ...
"""

from __future__ import annotations

from ..layout import PRODUCER
from ..making import begun
from ..places import caller
from ..propagation import TRACEPARENT, headers
from ..recorder import RECORDER
from . import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

_POSITION = 6
"""Of `headers` behind `topic`, where all arguments are given by position."""


def adapt_confluent_kafka(module: ModuleType) -> None:
    """Producers made from now on; the class is written in C and cannot be changed, only derived from."""
    base: Any = module.Producer
    module.Producer = type(  # type: ignore[attr-defined]
        "Producer", (base,), {"__doc__": base.__doc__, "__module__": base.__module__, "produce": base.produce}
    )
    for kind in (module.Producer, module.SerializingProducer):
        replace(kind, "produce", _produce)


def _produce(original: Any) -> Any:
    def wrapper(self: Any, topic: str, *args: Any, **more: Any) -> Any:
        given = more.get("headers") or []
        given = list(given.items() if isinstance(given, dict) else given)
        if RECORDER.spool is None or len(args) > _POSITION or any(name == TRACEPARENT for name, _ in given):
            return original(self, topic, *args, **more)
        about = {"messaging.system": "kafka", "messaging.destination.name": topic}
        with begun(caller(), f"publish {topic}", about, PRODUCER):
            more["headers"] = given + [(name, value.encode()) for name, value in headers()]
            return original(self, topic, *args, **more)

    return wrapper
