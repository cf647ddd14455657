"""pika (RabbitMQ): a producer span per message published, a consumer span around each message's callback.

The context travels among the message's headers, which AMQP has for this (AMQP 0-9-1, basic class, `headers`).
"""

from __future__ import annotations

from ..layout import CONSUMER, PRODUCER
from ..making import begun
from ..places import At, caller
from ..propagation import TRACEPARENT, extract, inject
from ..recorder import RECORDER
from . import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
    from typing import Any

_INNER_CALLBACK = "_on_consumer_message_delivery"
"""What the blocking channel gives to the channel below it; the application's own callback is adapted
above."""


def adapt_pika_channel(module: ModuleType) -> None:
    """Channels of the asynchronous connections."""
    replace(module.Channel, "basic_publish", _publish)
    replace(module.Channel, "basic_consume", _consume)


def adapt_pika_adapters_blocking_connection(module: ModuleType) -> None:
    """Channels of `BlockingConnection`: publishing, callbacks, and `for ... in channel.consume(queue)`."""
    replace(module.BlockingChannel, "basic_publish", _publish)
    replace(module.BlockingChannel, "basic_consume", _consume)
    replace(module.BlockingChannel, "consume", _iterate)


def _publish(original: Any) -> Any:
    def wrapper(
        self: Any, exchange: str, routing_key: str, body: Any, properties: Any = None, *args: Any, **more: Any
    ) -> Any:
        headers = dict(getattr(properties, "headers", None) or {})
        if RECORDER.spool is None or TRACEPARENT in headers:
            return original(self, exchange, routing_key, body, properties, *args, **more)
        to = exchange or routing_key
        about = {
            "messaging.system": "rabbitmq",
            "messaging.destination.name": to,
            "messaging.body.size": len(body),
        }
        with begun(caller(), f"publish {to}", about, PRODUCER):
            inject(headers)
            return original(self, exchange, routing_key, body, _with(properties, headers), *args, **more)

    return wrapper


def _with(properties: Any, headers: dict[str, Any]) -> Any:
    """A copy: the application may publish the same properties again."""
    from pika import BasicProperties

    made = BasicProperties()
    if properties is not None:
        made.__dict__.update(properties.__dict__)
    made.headers = headers
    return made


def _consume(original: Any) -> Any:
    def wrapper(self: Any, queue: str, on_message_callback: Any, *args: Any, **more: Any) -> Any:
        callback = on_message_callback
        if getattr(callback, "__name__", "") != _INNER_CALLBACK:
            callback = _received(queue, on_message_callback)
        return original(self, queue, callback, *args, **more)

    return wrapper


def _received(queue: str, callback: Callable[..., Any]) -> Callable[..., Any]:
    place = At(callback)

    def wrapper(channel: Any, method: Any, properties: Any, body: Any) -> Any:
        if RECORDER.spool is None:
            return callback(channel, method, properties, body)
        with _processing(place, queue, method, properties):
            return callback(channel, method, properties, body)

    return wrapper


def _iterate(original: Any) -> Any:
    def wrapper(self: Any, queue: str, *args: Any, **more: Any) -> Iterator[Any]:
        # The span is active in the loop's body, and ends with it, also when the loop is left by a break.
        for method, properties, body in original(self, queue, *args, **more):
            if RECORDER.spool is None or method is None:
                yield method, properties, body
                continue
            with _processing(caller(), queue, method, properties):
                yield method, properties, body

    return wrapper


def _processing(place: Any, queue: str, method: Any, properties: Any) -> Any:
    about = {
        "messaging.system": "rabbitmq",
        "messaging.destination.name": queue,
        "messaging.rabbitmq.redelivered": method.redelivered,
    }
    return begun(place, f"process {queue}", about, CONSUMER, extract(properties.headers or {}))
