"""gRPC: the operations as the methods in shop.proto, over HTTP/2.

The deadline is gRPC's own (`grpc-timeout`), the trace context travels as metadata, failures are status codes.
Both ends map failures in an interceptor, so that no method has to.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc

from devbox.workload.contract import OPERATIONS, Operation, Payload
from devbox.workload.failures import DeadlineExceeded, Defect, Failure, NotFound, Refused, Unavailable
from devbox.workload.roads import deadline
from devbox.workload.roads.desk import Desk, Headers
from devbox.workload.roads.messages import decode, encode, method_of, path_of

_WORKERS = 16

_CODES: dict[str, grpc.StatusCode] = {
    Refused.kind: grpc.StatusCode.FAILED_PRECONDITION,
    NotFound.kind: grpc.StatusCode.NOT_FOUND,
    Unavailable.kind: grpc.StatusCode.UNAVAILABLE,
    DeadlineExceeded.kind: grpc.StatusCode.DEADLINE_EXCEEDED,
    Defect.kind: grpc.StatusCode.INTERNAL,
}

_FAILURES: dict[grpc.StatusCode, type[Failure]] = {
    grpc.StatusCode.FAILED_PRECONDITION: Refused,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.UNIMPLEMENTED: NotFound,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.CANCELLED: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}
"""What a status means; any other is a defect."""

_QUICKLY = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000))


class _Understand(grpc.UnaryUnaryClientInterceptor):
    """Makes the callee's status a `Failure` again."""

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        call = continuation(client_call_details, request)
        code = call.code()  # waits for the end of the call
        if code is not grpc.StatusCode.OK:
            raise _FAILURES.get(code, Defect)(call.details() or code.name)
        return call


class GrpcRoad:
    """Calls over one HTTP/2 connection, which gRPC makes, keeps and makes anew."""

    def __init__(self, host: str, port: int) -> None:
        self._channel = grpc.insecure_channel(f"{host}:{port}", options=_QUICKLY)
        self._calls = grpc.intercept_channel(self._channel, _Understand())

    def call(self, wanted: Operation, payload: Payload, headers: Headers, timeout: float) -> Payload:
        """Carry a call over gRPC."""
        method = method_of(wanted)
        invoke = self._calls.unary_unary(
            path_of(method), partial(encode, method.input_type), partial(decode, method.output_type)
        )
        metadata = tuple((name, text) for name, text in headers.items() if name != deadline.HEADER)
        answer: Payload = invoke(payload, timeout=timeout, metadata=metadata)
        return answer

    def close(self) -> None:
        """Close the connection; calls under way become `Unavailable`."""
        self._channel.close()


class _Tell(grpc.ServerInterceptor):
    """Makes a `Failure` of a method its status."""

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        found = continuation(handler_call_details)
        if found is None:
            return None

        def telling(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                return found.unary_unary(request, context)
            except Failure as failure:
                context.abort(_CODES[failure.kind], str(failure))
            except Exception as defect:  # noqa: BLE001  whatever happened, the caller gets an answer
                context.abort(grpc.StatusCode.INTERNAL, f"{type(defect).__name__}: {defect}")

        return grpc.unary_unary_rpc_method_handler(
            telling, found.request_deserializer, found.response_serializer
        )


class GrpcServer:
    """The callee's end: the methods of one service."""

    def __init__(self, desk: Desk, host: str, port: int) -> None:
        workers = ThreadPoolExecutor(_WORKERS, "grpc")
        # Without reuseport a taken port is said, instead of shared with whoever has it.
        self._server = grpc.server(workers, interceptors=[_Tell()], options=[("grpc.so_reuseport", 0)])
        for wanted in OPERATIONS:
            if wanted.service == desk.service:
                self._server.add_generic_rpc_handlers((_handler(desk, wanted),))
        self.port = self._server.add_insecure_port(f"{host}:{port}")

    def serve(self) -> None:
        """Answer calls until `close`."""
        self._server.start()
        self._server.wait_for_termination()

    def close(self) -> None:
        """Stop; what is under way ends as `Unavailable`."""
        self._server.stop(grace=None)


def _handler(desk: Desk, wanted: Operation) -> grpc.GenericRpcHandler:
    method = method_of(wanted)
    handler = grpc.unary_unary_rpc_method_handler(
        _answering(desk, wanted), partial(decode, method.input_type), partial(encode, method.output_type)
    )
    return grpc.method_handlers_generic_handler(method.containing_service.full_name, {method.name: handler})


def _answering(desk: Desk, wanted: Operation) -> Callable[[Payload, grpc.ServicerContext], Payload]:
    def answer(payload: Payload, context: grpc.ServicerContext) -> Payload:
        headers = {name: str(value) for name, value in context.invocation_metadata()}
        left = context.time_remaining()
        if left is not None:
            headers[deadline.HEADER] = f"{left:.3f}"
        return desk.handle("grpc", wanted.name, payload, headers)

    return answer
