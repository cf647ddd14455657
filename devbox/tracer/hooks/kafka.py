"""kafka-python: a producer span per message sent, a consumer span around each message of a `for` loop.

The context travels among the record's headers (KIP-82). Records that `poll` returns in batches have no
scope of their own; `tracer.span(..., kind=CONSUMER, parent=tracer.extract(record.headers))` gives them one.
"""

from __future__ import annotations

from ..layout import CONSUMER, PRODUCER
from ..making import begun
from ..places import caller
from ..propagation import TRACEPARENT, extract, headers
from ..recorder import RECORDER
from . import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType
    from typing import Any


def adapt_kafka_producer_kafka(module: ModuleType) -> None:
    """`KafkaProducer.send`; the span ends when the message is queued for sending."""
    replace(module.KafkaProducer, "send", _send)


def adapt_kafka_consumer_group(module: ModuleType) -> None:
    """`for record in consumer`."""
    replace(module.KafkaConsumer, "__iter__", _iterate)


def _send(original: Any) -> Any:
    def wrapper(
        self: Any, topic: str, value: Any = None, key: Any = None, headers: Any = None, **more: Any
    ) -> Any:
        given = list(headers or ())
        if RECORDER.spool is None or any(name == TRACEPARENT for name, _ in given):
            return original(self, topic, value, key, headers, **more)
        about = {"messaging.system": "kafka", "messaging.destination.name": topic}
        with begun(caller(), f"publish {topic}", about, PRODUCER):
            return original(self, topic, value, key, given + _context(), **more)

    return wrapper


def _context() -> list[tuple[str, bytes]]:
    return [(name, value.encode()) for name, value in headers()]


def _iterate(original: Any) -> Any:
    def wrapper(self: Any) -> Iterator[Any]:
        # The span is active in the loop's body, and ends with it, also when the loop is left by a break.
        for record in iter(self.__next__, _NEVER):
            if RECORDER.spool is None:
                yield record
                continue
            with _processing(record):
                yield record

    return wrapper


_NEVER = object()


def _processing(record: Any) -> Any:
    about = {
        "messaging.system": "kafka",
        "messaging.destination.name": record.topic,
        "messaging.destination.partition.id": str(record.partition),
        "messaging.kafka.offset": record.offset,
    }
    return begun(caller(), f"process {record.topic}", about, CONSUMER, extract(record.headers or ()))
