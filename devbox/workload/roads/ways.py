"""The roads that a process of the shop has open, with their callers' and their callees' ends."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from devbox.workload.faults import Trouble
from devbox.workload.roads.desk import Desk, Road
from devbox.workload.roads.queue import Queue, QueueRoad, QueueServer
from devbox.workload.roads.queues import open_queue, road_of
from devbox.workload.roads.rest import RestRoad
from devbox.workload.roads.rpc import RpcRoad, RpcServer
from devbox.workload.settings import Settings


class Server(Protocol):
    """The callee's end of a road."""

    def serve(self) -> None:
        """Answer calls until `close`."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Ways:
    """All roads of one process. Opening one waits for nobody: who cannot be reached is tried again later."""

    settings: Settings
    queues: Mapping[str, Queue]
    trouble: Trouble

    @staticmethod
    def of(settings: Settings, trouble: Trouble) -> Ways:
        """The roads that the settings name."""
        queues = {"queue": open_queue(settings.queue, settings.state)}
        queues |= {road_of(url): open_queue(url, settings.state) for url in settings.brokers}
        return Ways(settings, queues, trouble)

    def names(self) -> tuple[str, ...]:
        """What an edge can be told to take."""
        return "rest", "rpc", *_extras(), *self.queues

    def to(self, callee: str) -> dict[str, Road]:
        """The caller's ends of the roads to a service."""
        place = self.settings.places[callee]
        roads: dict[str, Road] = {
            "rest": RestRoad(place.host, place.http, self.trouble),
            "rpc": RpcRoad(place.host, place.rpc, trouble=self.trouble),
        }
        if "grpc" in _extras():
            from devbox.workload.roads.grpcroad import GrpcRoad

            roads["grpc"] = GrpcRoad(place.host, place.grpc)
        if "dubbo" in _extras():
            from devbox.workload.roads.dubboroad import DubboRoad

            roads["dubbo"] = DubboRoad(place.host, place.dubbo)
        return roads | {name: QueueRoad(queue, callee, self.trouble) for name, queue in self.queues.items()}

    def servers(self, desk: Desk) -> list[Server]:
        """The callee's ends of a service's roads, but for REST, which shares its port with the switches."""
        place = self.settings.places[desk.service]
        servers: list[Server] = [RpcServer(desk, self.settings.listen, place.rpc)]
        if "grpc" in _extras():
            from devbox.workload.roads.grpcroad import GrpcServer

            servers.append(GrpcServer(desk, self.settings.listen, place.grpc))
        if "dubbo" in _extras():
            from devbox.workload.roads.dubboroad import DubboServer

            servers.append(DubboServer(desk, self.settings.listen, place.dubbo))
        for name, queue in self.queues.items():
            servers.append(QueueServer(desk, queue, desk.service, self.trouble, name))
        return servers

    def close(self) -> None:
        """Let go of the queues, so that what nobody has done yet is somebody else's at once."""
        for queue in self.queues.values():
            queue.close()


@functools.cache
def _extras() -> tuple[str, ...]:
    """Roads whose packages are installed."""
    wanted = {"grpc": ("grpc", "google.protobuf"), "dubbo": ("dubbo", "google.protobuf")}
    return tuple(road for road, packages in wanted.items() if all(map(_is_there, packages)))


def _is_there(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # what is above it is not there
        return False
