"""Payloads as protobuf messages, by the descriptors in shop_pb2: no table beside the .proto file."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from devbox.workload.contract import Operation, Payload
from devbox.workload.failures import Defect, Refused
from devbox.workload.roads import shop_pb2

Carried: Any = GetMessageClass(shop_pb2.DESCRIPTOR.message_types_by_name["Carried"])
Answered: Any = GetMessageClass(shop_pb2.DESCRIPTOR.message_types_by_name["Answered"])


def method_of(wanted: Operation) -> MethodDescriptor:
    """The method that carries an operation: `users.find` is `Find` of the service `Users`."""
    service, _, name = wanted.name.partition(".")
    camel = "".join(part.capitalize() for part in name.split("_"))
    return shop_pb2.DESCRIPTOR.services_by_name[service.capitalize()].methods_by_name[camel]


def path_of(method: MethodDescriptor) -> str:
    """Where gRPC calls it (gRPC over HTTP/2, "Requests": Path)."""
    return f"/{method.containing_service.full_name}/{method.name}"


def encode(kind: Any, payload: Payload) -> bytes:
    """A payload as the message that `kind` describes; `Refused` when it does not fit."""
    try:
        return bytes(GetMessageClass(kind)(**payload).SerializeToString())
    except (TypeError, ValueError) as error:
        raise Refused(f"{kind.name}: {error}") from None


def decode(kind: Any, data: bytes) -> Payload:
    """The payload in a message that `kind` describes; a `Defect` when it is none."""
    try:
        return _payload(GetMessageClass(kind).FromString(data))
    except DecodeError as error:
        raise Defect(f"{kind.name}: {error}") from None


def _payload(message: Message) -> Payload:
    return {
        field.name: _value(getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
        if not field.has_presence or message.HasField(field.name)
    }


def _value(value: Any) -> Any:
    if isinstance(value, str | int | float):
        return value
    return [_payload(one) for one in value]
