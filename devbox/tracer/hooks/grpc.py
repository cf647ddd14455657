"""gRPC: interceptors on every channel and server, which is how gRPC wants to be extended.

The context travels as metadata. A call's span lasts until its last answer has come (client) or gone (server).
"""

from __future__ import annotations

from collections import namedtuple

from ..layout import CLIENT, ERROR, SERVER
from ..making import begun
from ..places import At, caller
from ..propagation import TRACEPARENT, extract, headers
from ..recorder import RECORDER
from ..spans import active
from . import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
    from typing import Any

_FIELDS = ("method", "timeout", "metadata", "credentials", "wait_for_ready", "compression")
_Details = namedtuple("_Details", _FIELDS)  # type: ignore[misc]
_OK = 0


def adapt_grpc(module: ModuleType) -> None:
    """Channels and servers made from now on."""
    client, server = _client(module), _server(module)

    def channel(original: Any) -> Any:
        return lambda *args, **more: module.intercept_channel(original(*args, **more), client)

    def serve(original: Any) -> Any:
        def wrapper(*args: Any, **more: Any) -> Any:
            more["interceptors"] = (server, *(more.get("interceptors") or ()))
            return original(*args, **more)

        return wrapper

    replace(module, "insecure_channel", channel)
    replace(module, "secure_channel", channel)
    replace(module, "server", serve)


def _named(place: Any, method: Any, kind: int, parent: Any = None) -> Any:
    full = method.decode() if isinstance(method, bytes) else str(method)
    service, _, name = full.lstrip("/").rpartition("/")
    about = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
    return begun(place, f"{service}/{name}", about, kind, parent)


def _ended(made: Any, code: Any, details: str = "") -> None:
    number = code.value[0] if code is not None else _OK
    made.set_attribute("rpc.grpc.status_code", number)
    if number != _OK:
        made.set_status(ERROR, f"{code.name}: {details}" if details else code.name)
    made.end()


def _client(grpc: Any) -> Any:
    def calling(continuation: Any, details: Any, request: Any) -> Any:
        metadata = list(details.metadata or ())
        if RECORDER.spool is None or any(name == TRACEPARENT for name, _ in metadata):
            return continuation(details, request)
        made = _named(caller(), details.method, CLIENT).begin()
        try:
            with active(made):
                fields = {name: getattr(details, name, None) for name in _FIELDS}
                call = continuation(_Details(**{**fields, "metadata": metadata + headers()}), request)
        except BaseException as error:
            made.record_exception(error)
            made.end()
            raise
        call.add_done_callback(lambda done: _ended(made, done.code(), done.details() or ""))
        return call

    kinds = ("UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream")
    bases = tuple(getattr(grpc, f"{kind}ClientInterceptor") for kind in kinds)
    names = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
    methods = {f"intercept_{name}": staticmethod(calling) for name in names}
    return type("TracingClient", bases, methods)()


def _server(grpc: Any) -> Any:
    def intercept(continuation: Any, details: Any) -> Any:
        handler = continuation(details)
        if handler is None or RECORDER.spool is None:
            return handler
        asks = "stream" if handler.request_streaming else "unary"
        answers = "stream" if handler.response_streaming else "unary"
        behaviour = getattr(handler, f"{asks}_{answers}")
        serving = _answering_many if handler.response_streaming else _answering
        make = getattr(grpc, f"{asks}_{answers}_rpc_method_handler")
        return make(serving(behaviour, details), handler.request_deserializer, handler.response_serializer)

    methods = {"intercept_service": staticmethod(intercept)}
    return type("TracingServer", (grpc.ServerInterceptor,), methods)()


def _answering(behaviour: Callable[..., Any], details: Any) -> Any:
    def wrapper(request: Any, context: Any) -> Any:
        made = _named(At(behaviour), details.method, SERVER, extract(details.invocation_metadata)).begin()
        try:
            with active(made):
                return behaviour(request, context)
        except BaseException as error:
            _failed(made, context, error)
            raise
        finally:
            _ended(made, context.code(), _words(context))

    return wrapper


def _answering_many(behaviour: Callable[..., Any], details: Any) -> Any:
    def wrapper(request: Any, context: Any) -> Iterator[Any]:
        made = _named(At(behaviour), details.method, SERVER, extract(details.invocation_metadata)).begin()
        try:
            with active(made):
                answers = iter(behaviour(request, context))
            while True:
                # Step by step: gRPC may ask for the next answer from another thread.
                with active(made):
                    answer = next(answers, _NO_MORE)
                if answer is _NO_MORE:
                    return
                yield answer
        except BaseException as error:
            _failed(made, context, error)
            raise
        finally:
            _ended(made, context.code(), _words(context))

    return wrapper


_NO_MORE = object()


def _failed(made: Any, context: Any, error: BaseException) -> None:
    if context.code() is None:  # `abort` has set one, and raises only to leave the behaviour
        made.record_exception(error)


def _words(context: Any) -> str:
    details = context.details() or b""
    return details.decode("utf-8", "replace") if isinstance(details, bytes) else str(details)
